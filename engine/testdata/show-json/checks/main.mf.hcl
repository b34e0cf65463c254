server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.25"]
  smtp { listen = ["127.0.0.1:2525"] }
}

nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  mx { server = server.main }
  spf { policy = "fail" }
  dkim { selector = "s1" }
  dmarc { policy = "reject" }
}

check "holds" {
  assert {
    condition     = domain.example.name == "example.com"
    error_message = "not said"
  }
}

check "does_not" {
  assert {
    condition     = domain.example.name != "example.com"
    error_message = "The domain is ${domain.example.name}."
  }
  assert {
    condition     = server.main.hostname == ""
    error_message = "The server has a name."
  }
}

check "later" {
  assert {
    condition     = domain.example.dkim_txt["s1"] != ""
    error_message = "not said"
  }
}

check "wrong" {
  assert {
    condition     = tonumber(domain.example.name) > 1
    error_message = "not said"
  }
}
