variable "name" {
  description = "What everything is named after"
  type        = string
}

variable "repository" {
  description = "owner/name at GitHub"
  type        = string
}

variable "environment" {
  description = "GitHub environment whose jobs may deploy"
  type        = string
}

variable "repository_arns" {
  description = "The image repositories"
  type        = list(string)
}

variable "cluster_arn" {
  description = "The ECS cluster"
  type        = string
}

variable "task_role_arns" {
  description = "The roles of the tasks"
  type        = list(string)
}

variable "service_families" {
  description = "The task definitions' families"
  type        = list(string)
}
