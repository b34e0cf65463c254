server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.25"]
  smtp { listen = ["127.0.0.1:2525"] }
}

domain "example" {
  name = "example.com"
  mx { server = server.main }
}

user "alice" {
  domain = domain.example
  name   = "alicia"
}
