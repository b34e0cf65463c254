provider "embedded" {
  data_dir = "./mail"
}

provider "embedded" {
  alias    = "second"
  data_dir = "./second"
}

locals {
  zones = ["a.example", "b.example"]
}

server "main" {
  provider  = embedded.second
  hostname  = "mail.example.com"
  addresses = ["192.0.2.25"]
  smtp { listen = ["127.0.0.1:2525"] }
}

nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}

domain "all" {
  for_each   = toset(local.zones)
  name       = each.key
  nameserver = nameserver.ns1
  mx { server = server.main }
  dynamic "dkim" {
    for_each = ["s1", "s2"]
    content {
      selector = dkim.value
    }
  }
}

user "ann" {
  domain     = domain.all["a.example"]
  name       = lower("ANN")
  quota      = "1GiB"
  aliases    = ["a", "an"]
  depends_on = [domain.all["b.example"]]
}

output "quota" {
  value = user.ann.quota
}
