server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.25"]
  smtp { listen = ["127.0.0.1:2525"] }
}

module "customer" {
  source     = "./customer"
  for_each   = toset(["a.example"])
  name       = each.key
  server     = server.main
  secret     = "hidden"
  depends_on = [server.main]
}

moved {
  from = user.alice
  to   = module.customer["a.example"].module.staff[0].user.staff["alice"]
}

output "domains" {
  value = [for c in module.customer : c.domain]
}
