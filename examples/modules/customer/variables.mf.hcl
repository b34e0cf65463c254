# Blocks of the caller, handed in as what they are: such variables have no type,
# or the type any.
variable "server" {}
variable "nameserver" {}

variable "name" {
  type = string
}

variable "users" {
  type = map(object({ quota = optional(string), aliases = optional(list(string), []) }))

  validation {
    condition     = length(var.users) > 0
    error_message = "A customer has at least one mailbox."
  }
}

variable "contact" {
  type = string

  validation {
    condition     = contains(keys(var.users), var.contact)
    error_message = "The contact ${var.contact} is none of the users."
  }
}

variable "dmarc" {
  type    = string
  default = "quarantine"
}

variable "catchall" {
  type    = bool
  default = false
}
