server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.25"]
  smtp { listen = ["127.0.0.1:2525"] }
}

domain "example" {
  name = "example.com"
  mx { server = server.main }
}

user "staff" {
  for_each = toset(["ann"])
  domain   = domain.example
  name     = each.key
}

alias "list" {
  count   = 1
  domain  = domain.example
  name    = "list${count.index}"
  members = [user.staff["ann"]]
}
