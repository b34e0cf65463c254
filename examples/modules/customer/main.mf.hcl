# One customer: a domain with its records, and mailboxes in it.

domain "main" {
  name       = var.name
  nameserver = var.nameserver
  postmaster = user.staff[var.contact]
  catch_all  = var.catchall ? user.staff[var.contact] : null

  mx { server = var.server }
  spf { policy = "fail" }
  dkim { selector = "s1" }
  dmarc { policy = var.dmarc }
}

user "staff" {
  for_each = var.users

  domain  = domain.main
  name    = each.key
  quota   = coalesce(each.value.quota, "1GiB")
  aliases = each.value.aliases
}
