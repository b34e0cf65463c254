output "domain" {
  value = domain.main
}

output "users" {
  value = user.staff
}

output "contact" {
  value = user.staff[var.contact]
}
