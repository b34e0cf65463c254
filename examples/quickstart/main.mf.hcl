# A whole mail service on loopback: one domain, two users, one alias.
# `mailform apply` in this directory runs it; `mailform destroy` ends it.
# Both users have the password "quickstart"; `mailform passwd` makes a hash.

mailform {
  required_version = ">= 0.1"
}

provider "embedded" {
  data_dir = "./mail"
}

server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]

  smtp { listen = ["127.0.0.1:2525"] }
  submission { listen = ["127.0.0.1:2587"] }
  imap { listen = ["127.0.0.1:2143"] }
  pop3 { listen = ["127.0.0.1:2110"] }
}

nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1

  mx {
    server     = server.main
    preference = 10
  }

  postmaster = user.alice

  spf { policy = "fail" }
  dkim { selector = "s1" }
  dmarc { policy = "reject" }
}

user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = "$argon2id$v=19$m=19456,t=2,p=1$bM5KaJJyhg1I4vhbEGCZpw$hRtIHLi/TvvHgOvcSPYLC/ucT+UDnevTfTFatKtIx6g"
  quota         = "2GiB"
  protocols     = ["imap", "pop3"]
  aliases       = ["al"]
}

user "bob" {
  domain        = domain.example
  name          = "bob"
  password_hash = "$argon2id$v=19$m=19456,t=2,p=1$D/HVHyFWpsMy+lvkXqVz4w$Ct8mznjnfrSFz5ewax9taA4dF2xREPvC8nGs8XCiImA"
  quota         = "1GiB"
  protocols     = ["imap", "pop3"]
}

alias "sales" {
  domain  = domain.example
  name    = "sales"
  members = [user.alice, user.bob]
}

record "www" {
  zone   = domain.example.zone
  name   = "www"
  type   = "A"
  ttl    = "1h"
  values = ["192.0.2.80"]
}
