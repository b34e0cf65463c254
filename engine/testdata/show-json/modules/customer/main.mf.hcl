variable "name" {
  type = string
}

variable "server" {
  description = "A server block."
}

variable "secret" {
  sensitive = true
}

domain "main" {
  name   = var.name
  server = var.server
}

user "bob" {
  domain = domain.main
  name   = "bob"
  quota  = "1GiB"
}

module "staff" {
  source = "./names"
  count  = 1
  domain = domain.main
}

check "size" {
  assert {
    condition     = length(var.name) < 5
    error_message = "The name is long."
  }
}

output "domain" { value = domain.main }
