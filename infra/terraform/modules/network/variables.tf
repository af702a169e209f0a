variable "name" {
  description = "What everything is named after"
  type        = string
}

variable "cidr" {
  description = "Addresses of the network"
  type        = string
}

variable "zones" {
  description = "How many availability zones"
  type        = number
}

variable "nat_per_zone" {
  description = "Whether each zone has a NAT gateway of its own"
  type        = bool
}

variable "log_retention_days" {
  description = "How long flow logs are kept"
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts the logs"
  type        = string
}
