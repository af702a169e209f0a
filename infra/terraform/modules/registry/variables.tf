variable "name" {
  description = "What everything is named after"
  type        = string
}

variable "services" {
  description = "The services that have an image"
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts the images"
  type        = string
}
