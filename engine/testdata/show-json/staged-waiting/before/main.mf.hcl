nameserver "ns1" {
  hostname = "ns1.example.net"
  listen   = ["192.0.2.53:53"]
}

server "old" {
  hostname  = "old.example.com"
  addresses = ["192.0.2.1"]
  smtp {}
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  mx { server = server.old }
}
