variable "name" {}

variable "server" {}

domain "main" {
  name   = var.name
  server = var.server
}

user "bob" {
  domain = domain.main
  name   = "bob"
}

output "domain" { value = domain.main }
