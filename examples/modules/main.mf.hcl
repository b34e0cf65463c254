# One mail service for many customers. What a customer gets is described once,
# in the directory customer; who is one, and what is special about each, stands
# in mailform.mfvars. A line more there is a customer more after the next
# `mailform apply`.

variable "customers" {
  description = "The customers, by the names of their domains."
  type = map(object({
    users    = map(object({ quota = optional(string), aliases = optional(list(string), []) }))
    contact  = string # who gets mail for postmaster
    dmarc    = optional(string, "quarantine")
    catchall = optional(bool, false)
  }))
}

server "main" {
  hostname  = "mail.example.org"
  addresses = ["127.0.0.1"]

  smtp { listen = ["127.0.0.1:3525"] }
  submission { listen = ["127.0.0.1:3587"] }
  imap { listen = ["127.0.0.1:3143"] }
  pop3 { listen = ["127.0.0.1:3110"] }
}

nameserver "ns1" {
  hostname = "ns1.example.org"
  listen   = ["127.0.0.1:3053"]
}

module "customer" {
  source   = "./customer"
  for_each = var.customers

  server     = server.main
  nameserver = nameserver.ns1

  name     = each.key
  users    = each.value.users
  contact  = each.value.contact
  dmarc    = each.value.dmarc
  catchall = each.value.catchall
}

# A list with one member of each customer: what a module hands out can be
# referred to like any block.
alias "contacts" {
  domain  = module.customer["example.org"].domain
  name    = "contacts"
  members = [for c in module.customer : c.contact]
}

output "mailboxes" {
  description = "How many mailboxes each customer has."
  value       = { for name, c in module.customer : name => length(c.users) }
}
