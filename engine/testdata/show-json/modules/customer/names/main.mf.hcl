variable "domain" {}

user "staff" {
  for_each = toset(["alice", "carol"])
  domain   = var.domain
  name     = each.key
}
