variable "name" {
  description = "What everything is named after"
  type        = string
}

variable "vpc_id" {
  description = "The network"
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets"
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts data at rest"
  type        = string
}

variable "database" {
  description = "Size and care of PostgreSQL; null when it is outside"
  type = object({
    instance_class        = string
    storage_gb            = number
    max_storage_gb        = number
    multi_az              = bool
    backup_retention_days = number
    deletion_protection   = bool
  })
}

variable "generated_version" {
  description = "Raised to have generated secrets made anew"
  type        = number
}

variable "redis_node_type" {
  description = "Size of the Valkey nodes"
  type        = string
}

variable "redis_nodes" {
  description = "Valkey nodes"
  type        = number
}

variable "client_security_groups" {
  description = "Security groups of the services"
  type        = object({ gateway = string, agent = string, engine = string })
}

variable "deleted_files_days" {
  description = "How long a deleted file can be had back"
  type        = number
}
