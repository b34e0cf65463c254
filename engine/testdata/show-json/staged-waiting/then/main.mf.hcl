nameserver "ns1" {
  hostname = "ns1.example.net"
  listen   = ["192.0.2.53:53"]
}

server "new" {
  hostname  = "new.example.com"
  addresses = ["192.0.2.2"]
  smtp {}
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  mx { server = server.new }
}
