variable "name" {
  description = "What everything is named after"
  type        = string
}

variable "given" {
  description = "Settings whose values a person fills in"
  type        = set(string)
}

variable "generated_version" {
  description = "Raised to have generated secrets made anew"
  type        = number
}
