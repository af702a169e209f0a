variable "name" {
  description = "What everything is named after"
  type        = string
}

variable "region" {
  description = "AWS region"
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the alarms on their way"
  type        = string
}

variable "alarm_email" {
  description = "Who is told; nobody when empty"
  type        = string
}

variable "cluster_name" {
  description = "The ECS cluster"
  type        = string
}

variable "services" {
  description = "The services to watch"
  type        = list(string)
}

variable "queue_lag" {
  description = "Whether there is a metric of the queue's lag"
  type        = bool
}

variable "load_balancer" {
  description = "The load balancer in metrics"
  type        = string
}

variable "database_id" {
  description = "PostgreSQL in metrics; null when it is outside"
  type        = string
}

variable "database_max_gb" {
  description = "PostgreSQL's storage"
  type        = number
}

variable "redis_cluster_ids" {
  description = "Valkey's nodes in metrics"
  type        = list(string)
}
