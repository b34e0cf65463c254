server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.25"]
  smtp { listen = ["127.0.0.1:2525"] }
}

module "customer" {
  source   = "./customer"
  for_each = toset(["a.example", "b.example"])
  name     = each.key
  server   = server.main
}

user "alice" {
  domain = module.customer["a.example"].domain
  name   = "alice"
}
