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
  name   = "alice"
  password_hash = "$argon2id$v=19$m=19456,t=2,p=1$bM5KaJJyhg1I4vhbEGCZpw$hRtIHLj/TvvHgOvcSPYLC/ucT+UDnevTfTFatKtIx6g"
}

user "bob" {
  domain = domain.example
  name   = "bob"
  password_hash = ["$argon2id$v=19$m=19456,t=2,p=1$bM5KaJJyhg1I4vhbEGCZpw$hRtIHLi/TvvHgOvcSPYLC/ucT+UDnevTfTFatKtIx6g"]
}
