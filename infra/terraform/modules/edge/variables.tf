variable "name" {
  description = "What everything is named after"
  type        = string
}

variable "vpc_id" {
  description = "The network"
  type        = string
}

variable "public_subnet_ids" {
  description = "Where the load balancer stands"
  type        = list(string)
}

variable "certificate_arn" {
  description = "ACM certificate"
  type        = string
}

variable "target_port" {
  description = "Port of the gateway"
  type        = number
}

variable "idle_timeout_seconds" {
  description = "Longest silence on a connection"
  type        = number

  validation {
    condition     = var.idle_timeout_seconds > 15 && var.idle_timeout_seconds < 75
    error_message = "Longer than the 15 s between heartbeats of an event stream, shorter than the 75 s for which the gateway keeps idle connections."
  }
}

variable "waf" {
  description = "Whether managed rules look at requests first"
  type        = bool
}

variable "log_bucket" {
  description = "Bucket for access logs"
  type        = string
}

variable "deletion_protection" {
  description = "Whether the load balancer is protected from deletion"
  type        = bool
}
