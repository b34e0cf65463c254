# A thousand users out of a spreadsheet: staff.csv has a line for each, and who
# is added, changed or removed there is so after the next `mailform apply`.

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

domain "example" {
  name       = "example.org"
  nameserver = nameserver.ns1
  postmaster = user.staff["u0001"]

  mx {
    server     = server.main
    preference = 10
  }

  spf { policy = "fail" }
  dkim { selector = "s1" }
  dmarc { policy = "quarantine" }
}

locals {
  staff = { for person in csvdecode(file("staff.csv")) : person.name => person }
}

user "staff" {
  for_each = local.staff

  domain    = domain.example
  name      = each.key
  quota     = each.value.quota
  protocols = split(" ", each.value.protocols)
}

alias "all" {
  domain  = domain.example
  name    = "all"
  members = [for person in user.staff : person]
}

output "users" {
  description = "How many people have a mailbox."
  value       = length(local.staff)
}
