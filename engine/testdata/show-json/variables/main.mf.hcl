variable "hostname" {
  type        = string
  default     = "mail.example.com"
  description = "Name of the server."
}

variable "limit" {
  type    = string
  default = "10MiB"
}

variable "users" {
  type    = map(object({ quota = string }))
  default = { ann = { quota = "1GiB" } }
}

variable "hash" {
  type      = string
  default   = "$argon2id$v=19$m=19456,t=2,p=1$U0VDUkVUU0VDUkVUMTIzNA$hRtIHLi/TvvHgOvcSPYLC/ucT+UDnevTfTFatKtIx6g"
  sensitive = true
}
server "main" {
  hostname  = var.hostname
  addresses = ["192.0.2.25"]
  message_size_limit = var.limit
  smtp { listen = ["127.0.0.1:2525"] }
}

domain "example" {
  name = "example.com"
  mx { server = server.main }
}

user "staff" {
  for_each      = var.users
  domain        = domain.example
  name          = each.key
  quota         = each.value.quota
  password_hash = var.hash
}
