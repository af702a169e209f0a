variable "name" {
  description = "The service's name, by which the others find it"
  type        = string
}

variable "defaults" {
  description = "What all services have in common"
  type = object({
    cluster_arn           = string
    cluster_name          = string
    namespace_arn         = string
    vpc_id                = string
    subnet_ids            = list(string)
    kms_key_arn           = string
    region                = string
    log_retention_days    = number
    stop_timeout_seconds  = number
    session_access_policy = string
  })
}

variable "image" {
  description = "Repository and tag"
  type        = string
}

variable "package" {
  description = "What `python -m` runs"
  type        = string
}

variable "size" {
  description = "CPU units, MiB, number of tasks"
  type        = object({ cpu = number, memory = number, minimum = number, maximum = number })
}

variable "port" {
  description = "Port the service listens on"
  type        = number
}

variable "protocol" {
  description = "http or grpc"
  type        = string

  validation {
    condition     = contains(["http", "grpc"], var.protocol)
    error_message = "http or grpc."
  }
}

variable "health_check" {
  description = "What is run inside the container, and how long a start may take"
  type        = object({ command = list(string), start_period_seconds = number })
}

variable "environment" {
  description = "Settings"
  type        = map(string)
}

variable "secrets" {
  description = "ARNs of the secrets that hold secret settings"
  type        = map(string)
}

variable "clients" {
  description = "Security groups that may call, by name"
  type        = map(string)
}

variable "target_group_arn" {
  description = "Load balancer's target group; null for inner services"
  type        = string
  default     = null
}

variable "queue_lag" {
  description = "Lag of the queue, as the service writes it to its log, above which tasks are added; null for none"
  type        = object({ threshold_seconds = number })
  default     = null
}

variable "access_policies" {
  description = "What the program itself may do at AWS, by name"
  type        = map(string)
  default     = {}
}

variable "scratch" {
  description = "Whether the program may write to /tmp, whose owner the image says"
  type        = bool
  default     = false
}
