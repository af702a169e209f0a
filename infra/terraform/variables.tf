# What an environment decides; environments/NAME.tfvars gives it.

variable "environment" {
  description = "Name of the environment; everything is named flowloom-ENVIRONMENT"
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "A short name of small letters, digits and dashes, such as production."
  }
}

variable "region" {
  description = "AWS region"
  type        = string
}

variable "image_tag" {
  description = "Tag of the three images; unique for each build, since the repositories are immutable"
  type        = string

  validation {
    condition     = var.image_tag != "latest" && length(var.image_tag) > 0
    error_message = "A tag names one build: latest does not."
  }
}

variable "domain_name" {
  description = "Host name under which the gateway is reached"
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate for domain_name, in this region"
  type        = string
}

variable "alarm_email" {
  description = "Who is told of alarms; nobody when empty"
  type        = string
  default     = ""
}

variable "vpc_cidr" {
  description = "Addresses of the network, a /16"
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "Availability zones to use"
  type        = number
  default     = 2

  validation {
    condition     = var.zones >= 2 && var.zones <= 4
    error_message = "The load balancer and the database need two zones at least."
  }
}

variable "nat_per_zone" {
  description = "true: one NAT gateway for each zone, so that losing a zone cuts off no other"
  type        = bool
  default     = true
}

variable "database" {
  description = "null: the database is outside, such as Supabase, and its URL is put into the secret by hand"
  type = object({
    instance_class        = string
    storage_gb            = number
    max_storage_gb        = number
    multi_az              = bool
    backup_retention_days = number
    deletion_protection   = bool
  })
  default = null
}

variable "generated_secrets_version" {
  description = "Raise it to have the database's password and the mesh's key made anew"
  type        = number
  default     = 1
}

variable "redis_node_type" {
  description = "Size of the Valkey nodes"
  type        = string
  default     = "cache.t4g.micro"
}

variable "redis_nodes" {
  description = "Valkey nodes; from two on, one takes over from another"
  type        = number
  default     = 2
}

variable "services" {
  description = "Size of each service: Fargate's CPU units and MiB, how many tasks"
  type = object({
    gateway = object({ cpu = number, memory = number, minimum = number, maximum = number })
    agent   = object({ cpu = number, memory = number, minimum = number, maximum = number })
    engine  = object({ cpu = number, memory = number, minimum = number, maximum = number })
  })
}

variable "settings" {
  description = "Settings of each service besides those that follow from this configuration; docs/configuration.md lists them"
  type = object({
    gateway = optional(map(string), {})
    agent   = optional(map(string), {})
    engine  = optional(map(string), {})
  })
  default = {}
}

variable "given_secrets" {
  description = "Secret settings that a person fills in: each begins as a placeholder, with which no deployment goes through"
  type = object({
    gateway = optional(set(string), [])
    agent   = optional(set(string), [])
    engine  = optional(set(string), [])
  })
  default = {}
}

variable "engine_queue_lag" {
  description = "Lag of the queue above which engines are added, besides those that CPU wants; null scales on CPU alone"
  type        = object({ threshold_seconds = number })
  default     = { threshold_seconds = 10 }
}

variable "log_retention_days" {
  description = "How long logs are kept"
  type        = number
  default     = 365
}

variable "waf" {
  description = "Whether AWS's managed rules look at requests first"
  type        = bool
  default     = true
}

variable "github_repository" {
  description = "owner/name of the repository whose workflow may deploy; empty makes no such role"
  type        = string
  default     = ""
}
