# One organisation's mail, on whatever servers it runs:
#
#   mailform apply -var mail=embedded
#   mailform apply -var mail=postfix-dovecot
#   mailform apply -var mail=postfix-cyrus
#   mailform apply -var mail=sendmail-cyrus
#   mailform apply -var mail=sendmail-dovecot
#
# Nothing but the providers differs. Everybody has the password "quickstart".

variable "mail" {
  type        = string
  default     = "embedded"
  description = "Which servers take and keep the mail."

  validation {
    condition     = contains(["embedded", "postfix-dovecot", "postfix-cyrus", "sendmail-cyrus", "sendmail-dovecot"], var.mail)
    error_message = "mail is one of: embedded, postfix-dovecot, postfix-cyrus, sendmail-cyrus, sendmail-dovecot."
  }
}

variable "password_hash" {
  type      = string
  sensitive = true
  # A scheme that every one of them can verify; `mailform passwd` makes another.
  default = "$6$8iiF6VxR1lqeZ8oC$ZxIoKhBP3KFN6uky8UXigT6T4nTZh3rsR71sgORpvFqpUp4LxtLljo5rS70P6qrSJC..UxUx5drq0aQ0hwaeG0"
}

server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]

  provider = (
    var.mail == "postfix-dovecot" ? [postfix, dovecot] :
    var.mail == "postfix-cyrus" ? [postfix, cyrus] :
    var.mail == "sendmail-cyrus" ? [sendmail, cyrus] :
    var.mail == "sendmail-dovecot" ? [sendmail, dovecot] :
    embedded
  )

  smtp { listen = ["127.0.0.1:2525"] }
  submission {
    listen     = ["127.0.0.1:2587"]
    listen_tls = ["127.0.0.1:2465"]
  }
  imap {
    listen     = ["127.0.0.1:2143"]
    listen_tls = ["127.0.0.1:2993"]
  }
  pop3 {
    listen     = ["127.0.0.1:2110"]
    listen_tls = ["127.0.0.1:2995"]
  }
  managesieve { listen = ["127.0.0.1:24190"] }
}

domain "example" {
  name       = "example.com"
  postmaster = user.alice
  mx { server = server.main }
}

user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = var.password_hash
  aliases       = ["al"]
}

user "bob" {
  domain        = domain.example
  name          = "bob"
  password_hash = var.password_hash
}

user "pia" {
  domain        = domain.example
  name          = "pia"
  password_hash = var.password_hash
  protocols     = ["pop3"]
}

user "ida" {
  domain        = domain.example
  name          = "ida"
  password_hash = var.password_hash
  protocols     = ["imap"]
}

user "off" {
  domain        = domain.example
  name          = "off"
  password_hash = var.password_hash
  mail          = "disabled"
}

user "away" {
  domain        = domain.example
  name          = "away"
  password_hash = var.password_hash
  mail          = "forward"
  forward_to    = [user.bob]
}

user "both" {
  domain        = domain.example
  name          = "both"
  password_hash = var.password_hash
  mail          = "forward"
  forward_to    = [user.bob]
  keep_copy     = true
}

user "tiny" {
  domain        = domain.example
  name          = "tiny"
  password_hash = var.password_hash
  quota         = "16KiB"
}

alias "sales" {
  domain  = domain.example
  name    = "sales"
  members = [user.alice, user.bob]
}
