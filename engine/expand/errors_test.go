package expand_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/expand"
)

// base is what most of the wrong configurations stand on.
const base = `
server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:2525"] }
  submission { enabled = false }
  imap { enabled = false }
  pop3 { enabled = false }
}
nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}
domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  mx { server = server.main }
}
`

// The cases each name a summary, parts of the detail, and the text that the
// error points at. The file "base" is beside each; a case that begins with "!"
// stands alone.
func TestErrorsBetweenBlocks(t *testing.T) {
	tests := map[string]struct {
		hcl, summary string
		detail       []string
		at           string
	}{
		"a directory beside a server that holds the users": {
			hcl: `!provider "ldap" { url = "ldap://127.0.0.1" }
directory "staff" {}
server "main" { hostname = "mail.example.com" }
domain "x" {
  name      = "example.com"
  server    = server.main
  directory = directory.staff
}`, summary: "Users in two places", detail: []string{"server.main", "directory.staff"}, at: "directory.staff",
		},
		"a queue of the embedded server elsewhere": {
			hcl: `!server "main" {
  hostname = "mail.example.com"
  queue { path = "/vol/queue" }
}`, summary: "Setting that the provider does not have", detail: []string{"queue.path of server.main", "has its queue in its store"}, at: `"/vol/queue"`,
		},
		"a quota that the server does not take from the directory": {
			hcl: `!` + strings.Replace(base, "server \"main\" {", `provider "ldap" {
  url           = "ldap://127.0.0.1"
  base          = "dc=example"
  bind_dn       = "cn=writer"
  bind_password = "secret"
  read {
    bind_dn       = "cn=reader"
    bind_password = "secret"
  }
}
directory "staff" {}
server "main" {
  provider  = [postfix, cyrus]
  directory = directory.staff`, 1) + `
user "tiny" {
  domain = domain.example
  name   = "tiny"
  quota  = "1MiB"
}`, summary: "Setting that the provider does not have", detail: []string{"quota of user.tiny: cyrus", "directory.staff"}, at: `"1MiB"`,
		},
		"a directory without credentials that read": {
			hcl: `!provider "ldap" {
  url           = "ldap://127.0.0.1"
  base          = "dc=example"
  bind_dn       = "cn=writer"
  bind_password = "secret"
}
directory "staff" {}
server "main" {
  hostname  = "mail.example.com"
  provider  = [postfix, dovecot]
  directory = directory.staff
}`, summary: "Directory that a server cannot look in", detail: []string{"block read of the provider ldap"}, at: "directory.staff",
		},
		"a directory without a base": {
			hcl: `!provider "ldap" {
  url = "ldap://127.0.0.1"
  read {
    bind_dn       = "cn=reader"
    bind_password = "secret"
  }
}
directory "staff" {}
server "main" {
  hostname  = "mail.example.com"
  provider  = [postfix, dovecot]
  directory = directory.staff
}`, summary: "Directory that a server cannot look in", detail: []string{"Give it a base"}, at: "directory.staff",
		},
		"a directory on this machine, and a server on another": {
			hcl: `!provider "ldap" { url = "ldap://127.0.0.1" }
provider "postfix" {
  connection {
    type = "ssh"
    host = "mx.example.com"
  }
}
directory "staff" {}
server "main" {
  hostname  = "mail.example.com"
  provider  = [postfix, dovecot]
  directory = directory.staff
}`, summary: "Directory that a server cannot look in", detail: []string{"postfix is on another machine"}, at: "directory.staff",
		},
		"a domain and its server with different directories": {
			hcl: `!provider "ldap" {
  url  = "ldap://127.0.0.1"
  base = "dc=example"
  read {
    bind_dn       = "cn=reader"
    bind_password = "secret"
  }
}
directory "staff" {}
directory "pupils" {}
server "main" {
  hostname  = "mail.example.com"
  provider  = [postfix, dovecot]
  directory = directory.staff
}
domain "x" {
  name      = "example.com"
  server    = server.main
  directory = directory.pupils
}`, summary: "Users in two places", detail: []string{"directory.staff, not in directory.pupils"}, at: "directory.pupils",
		},
		"servers of a domain with users in different places": {
			hcl: `!provider "ldap" {
  url  = "ldap://127.0.0.1"
  base = "dc=example"
  read {
    bind_dn       = "cn=reader"
    bind_password = "secret"
  }
}
directory "staff" {}
server "one" {
  hostname  = "mx1.example.com"
  provider  = [postfix, dovecot]
  directory = directory.staff
  smtp { listen = ["127.0.0.1:25"] }
  lmtp { listen = ["127.0.0.1:24"] }
}
server "two" {
  hostname = "mx2.example.com"
  provider = [postfix, dovecot]
  smtp { listen = ["127.0.0.2:25"] }
  lmtp { listen = ["127.0.0.2:24"] }
}
domain "x" {
  name = "example.com"
  mx { server = server.one }
  mx { server = server.two }
}`, summary: "Mail of one domain in two places", detail: []string{"server.one and server.two find their users in different places"}, at: "server.two",
		},
		"a filter named twice": {
			hcl: `!filter "f" { type = "rspamd" }
server "main" {
  hostname = "mail.example.com"
  filters  = [filter.f, filter.f]
}`, summary: "Filter named twice", detail: []string{"filter.f"}, at: "[filter.f, filter.f]",
		},
		"a milter that does not say where it is": {
			hcl: `!filter "f" { on_failure = "accept" }
server "main" {
  hostname = "mail.example.com"
  filters  = [filter.f]
}`, summary: "Filter without an address", detail: []string{"filter.f", "address ="}, at: "",
		},
		"a directory at a provider that is none": {
			hcl: `!directory "staff" { provider = embedded }`, summary: "Role without a provider", detail: []string{"directory.staff", "directory", "ldap can"}, at: "embedded",
		},
		"a domain with neither server nor directory": {
			hcl: `!domain "x" { name = "example.com" }
alias "a" {
  domain  = domain.x
  name    = "a"
  members = ["b@elsewhere.net"]
}`, summary: "Domain without a server", detail: []string{"domain.x", "a@example.com"}, at: "domain.x",
		},
		"a zone that others run is signed": {
			hcl: `!domain "x" {
  name = "example.com"
  mx { host = "mx.elsewhere.net" }
  dnssec {}
}`, summary: "Zone that others run", detail: []string{"domain.x has no nameserver"}, at: "dnssec",
		},
		"a zone at BIND is signed": {
			hcl: `!provider "bind" { server = "192.0.2.53" }
nameserver "b" {
  hostname = "ns.elsewhere.net"
  provider = bind
}
zone "x" {
  name       = "example.com"
  nameserver = nameserver.b
  dnssec {}
}`, summary: "Zone that others sign", detail: []string{"at bind", "as the provider block says"}, at: "dnssec",
		},
		"a limit of answers of BIND": {
			hcl: `!provider "bind" { server = "192.0.2.53" }
nameserver "b" {
  hostname = "ns.example.com"
  provider = bind
  rate_limit { exempt = ["192.0.2.0/24"] }
}`, summary: "Name server that others run", at: "rate_limit",
		},
		"a shared folder at another server": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
}
domain "b" {
  name = "example.org"
  mx { server = server.b }
}
shared_folder "b" {
  domain = domain.b
  name   = "b"
}`, summary: "Server without shared folders", detail: []string{"no shared folders at dovecot", "b@example.org"}, at: "domain.b",
		},
		"a smarthost at another server": {
			hcl: `!provider "sendmail" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [sendmail, dovecot]
  smarthost {
    host = "smtp.example.net:587"
    tls  = "verified"
  }
}`, summary: "Setting that the provider does not have", detail: []string{"sendmail", "asks no single server for a good certificate"}, at: `"verified"`,
		},
		"tokens at another server": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  oauth {
    issuer   = "https://login.example.com"
    audience = "mail"
  }
}`, summary: "Server that others make", detail: []string{"postfix has no attribute for what a block oauth says"}, at: "oauth",
		},
		"tokens for anybody": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  oauth {
    issuer = "https://login.example.com"
    scopes = ["imap"]
  }
}`, summary: "Token for anybody", detail: []string{"any other service of server.b"}, at: "oauth",
		},
		"two ways to judge a token": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  oauth {
    issuer = "https://login.example.com"
    introspection_url = "https://login.example.com/introspect"
    jwks_url = "https://login.example.com/keys"
  }
}`, summary: "Two ways to judge a token", detail: []string{"Leave out one of them"}, at: `"https://login.example.com/keys"`,
		},
		"a client that asks nobody": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  oauth {
    issuer = "https://login.example.com"
    audience = ["mail"]
    client_id = "mailform"
    client_secret = "x"
  }
}`, summary: "Name that is never said", detail: []string{"client_id goes with introspection_url"}, at: `"mailform"`,
		},
		"a secret of nobody": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  oauth {
    issuer = "https://login.example.com"
    introspection_url = "https://login.example.com/introspect"
    client_secret = "x"
  }
}`, summary: "Password without a name", detail: []string{"no client_id that it is of"}, at: `"x"`,
		},
		"a client without a secret": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  oauth {
    issuer = "https://login.example.com"
    introspection_url = "https://login.example.com/introspect"
    client_id = "mailform"
  }
}`, summary: "Name without a password", detail: []string{"no client_secret"}, at: `"mailform"`,
		},
		"an app password at another server": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
}
domain "b" {
  name = "example.org"
  mx { server = server.b }
}
user "b" {
  domain = domain.b
  name   = "b"
}
app_password "b" {
  user          = user.b
  name          = "phone"
  password_hash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
}`, summary: "Server without app passwords", detail: []string{"no app passwords at dovecot", "mailbox of user.b"}, at: "user.b",
		},
		"two app passwords of one name": {
			hcl: `user "b" {
  domain = domain.example
  name   = "b"
}
app_password "one" {
  user          = user.b
  name          = "phone"
  password_hash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
}
app_password "two" {
  user          = user.b
  name          = "phone"
  password_hash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
}`, summary: "Name that is taken", detail: []string{`user.b has the app password "phone" by app_password.one`}, at: `"phone"`,
		},
		"how mail is handed on, at Postfix": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  queue { delay_warning = "8h" }
}`, summary: "Setting that the provider does not have", detail: []string{"postfix decides by its own configuration", "set delay_warning_time by the attribute parameters"}, at: `"8h"`,
		},
		"how mail is handed on, at Sendmail, which has no word for it": {
			hcl: `!provider "sendmail" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [sendmail, dovecot]
  queue { concurrency_per_destination = 2 }
}`, summary: "Setting that the provider does not have", detail: []string{"sendmail decides by its own configuration", "Leave it out."}, at: "2",
		},
		"submission at Cyrus, which has none": {
			hcl: `!provider "postfix" {}
provider "cyrus" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, cyrus]
  smtp { listen = ["127.0.0.1:2525"] }
  submission { offered_by = "store" }
}`, summary: "Submission where there is none", detail: []string{"cyrus cannot offer submission for server.b", "dovecot alone", "Leave out offered_by, and postfix offers it."}, at: `"store"`,
		},
		"submission at Dovecot before Sendmail, which would not know the user": {
			hcl: `!provider "sendmail" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [sendmail, dovecot]
  smtp { listen = ["127.0.0.1:2525"] }
  submission { offered_by = "store" }
}`, summary: "Submission without the user's name", detail: []string{"sendmail cannot be told by dovecot who has logged in", "anybody could send in anybody's name"}, at: `"store"`,
		},
		"submission at Dovecot on another machine": {
			hcl: `!provider "postfix" {}
provider "dovecot" {
  connection {
    host = "store.example.com"
  }
}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  smtp { listen = ["127.0.0.1:2525"] }
  submission { offered_by = "store" }
}`, summary: "Submission across machines", detail: []string{"dovecot has to be on the same machine"}, at: `"store"`,
		},
		"what users have submitted within reach of others": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  smtp { listen = ["127.0.0.1:2525"] }
  submission { offered_by = "store" }
  submitted { listen = ["192.0.2.1:10587"] }
}`, summary: "Unsuitable value", detail: []string{"no loopback address", "in anybody's name"}, at: `"192.0.2.1:10587"`,
		},
		"upkeep at another server": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  upkeep { trash = "30d" }
}`, summary: "Server that others make", detail: []string{"a block upkeep says"}, at: "upkeep",
		},
		"checks of mail at another server": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  inbound { dmarc = "report" }
}`, summary: "Server that others make", detail: []string{"a block inbound says"}, at: "inbound",
		},
		"a user in an alias domain": {
			hcl: "!" + base + `
domain "old" {
  name     = "example.net"
  alias_of = domain.example
}
user "x" {
  domain = domain.old
  name   = "x"
}`, summary: "Address in an alias domain", detail: []string{"Put user.x into domain.example"}, at: "domain.old",
		},
		"an alias of an alias": {
			hcl: "!" + base + `
domain "old" {
  name     = "example.net"
  alias_of = domain.example
}
domain "older" {
  name     = "example.org"
  alias_of = domain.old
}`, summary: "Alias of an alias", detail: []string{"domain.old is itself"}, at: "domain.old",
		},
		"a list that is asked twice": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  dnsbl { zone = "bl.example.net" }
  dnsbl { zone = "bl.example.net" }
}`, summary: "List named twice", detail: []string{"twice with the action \"reject\""}, at: `"bl.example.net"`,
		},
		"a greylist that nobody gets off": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  greylist {
    delay        = "10m"
    retry_within = "5m"
  }
}`, summary: "Senders that could never come", detail: []string{"longer than delay"}, at: `"5m"`,
		},
		"limits at another server": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  limits { errors = 5 }
}`, summary: "Server that others make", detail: []string{"a block limits says of smtp"}, at: "limits",
		},
		"proxies at another server": {
			hcl: `!provider "postfix" {}
provider "dovecot" {}
server "b" {
  hostname = "mail.example.com"
  provider = [postfix, dovecot]
  proxy_protocol { from = ["192.0.2.1"] }
}`, summary: "Server that others make", detail: []string{"a block proxy_protocol says"}, at: "proxy_protocol",
		},
		"a time zone of a server that others make": {
			hcl: `!provider "sendmail" {}
provider "cyrus" {}
server "b" {
  hostname  = "mail.example.com"
  provider  = [sendmail, cyrus]
  time_zone = "Europe/Berlin"
}`, summary: "Server that others make", detail: []string{"sendmail has no attribute for what time_zone says", "parameters = { TimeZoneSpec = … }"}, at: `"Europe/Berlin"`,
		},
		"two blocks of limits for a service": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  limits { services = ["imap", "pop3"] }
  limits { services = ["imap"] }
}`, summary: "Two blocks for one service", detail: []string{"limits for imap"}, at: `["imap"]`,
		},
		"two blocks of limits for the rest": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  limits {}
  limits {}
}`, summary: "Two blocks for one service", detail: []string{"two blocks limits without services"}, at: "limits",
		},
		"a limit that a service does not know": {
			hcl: `!server "b" {
  hostname = "mail.example.com"
  limits {
    services          = ["imap"]
    messages_per_hour = 5
  }
}`, summary: "Limit of another service", detail: []string{"imap takes no messages"}, at: "5",
		},
		"keys of its own in a signed zone": {
			hcl: "!" + strings.Replace(base, "nameserver = nameserver.ns1\n", "nameserver = nameserver.ns1\n  dnssec {}\n", 1) + `
record "key" {
  zone   = domain.example.zone
  name   = "@"
  type   = "CDS"
  values = ["0 0 0 00"]
}`, summary: "Record of the signing", detail: []string{"example.com is signed (main.mf.hcl:", "its CDS records"}, at: `"@"`,
		},
		"a secondary of BIND": {
			hcl: `!provider "bind" { server = "192.0.2.53" }
nameserver "b" {
  hostname = "ns.example.com"
  provider = bind
  secondary { address = "192.0.2.54" }
}`, summary: "Name server that others run", at: "secondary",
		},
		"a secondary that nobody could be": {
			hcl: `!nameserver "n" {
  hostname = "ns.example.com"
  secondary {}
}`, summary: "Secondary without a name", at: "secondary",
		},
		"a secondary twice": {
			hcl: `!nameserver "n" {
  hostname = "ns.example.com"
  secondary { address = "192.0.2.54" }
  secondary { address = "192.0.2.54:53" }
}`, summary: "Secondary declared twice", detail: []string{"192.0.2.54:53"}, at: `"192.0.2.54:53"`,
		},
		"a smarthost twice": {
			hcl: `!server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.1"]
  smarthost { host = "smtp.example.net:587" }
  smarthost { host = "SMTP.example.net:587" }
}`, summary: "Two blocks for one smarthost", at: `"SMTP.example.net:587"`,
		},
		"a smarthost's password without a name": {
			hcl: `!server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.1"]
  smarthost {
    host     = "smtp.example.net:587"
    password = "secret"
  }
}`, summary: "Password without a name", at: `"secret"`,
		},
		"a smarthost's name without a password": {
			hcl: `!server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.1"]
  smarthost {
    host     = "smtp.example.net:587"
    username = "us"
  }
}`, summary: "Name without a password", at: `"us"`,
		},
		"a smarthost's password for anybody": {
			hcl: `!server "main" {
  hostname  = "mail.example.com"
  addresses = ["192.0.2.1"]
  smarthost {
    host     = "smtp.example.net:587"
    username = "us"
    password = "secret"
    tls      = "opportunistic"
  }
}`, summary: "Password for anybody", at: `"opportunistic"`,
		},
		"a key without a secret": {
			hcl: `!nameserver "n" {
  hostname = "ns.example.com"
  secondary { key = "k" }
}`, summary: "Key without a secret", at: `"k"`,
		},
		"a secret without a key": {
			hcl: `!nameserver "n" {
  hostname = "ns.example.com"
  secondary {
    address = "192.0.2.54"
    secret  = "c2VjcmV0"
  }
}`, summary: "Secret without a key", at: `"c2VjcmV0"`,
		},
		"everybody may copy": {
			hcl: `!nameserver "n" {
  hostname = "ns.example.com"
  secondary {
    key      = "k"
    secret   = "c2VjcmV0"
    unsigned = true
  }
}`, summary: "Anybody may copy", at: "true",
		},
		"two users of one address": {
			hcl: `
user "a" {
  domain = domain.example
  name   = "al"
}
user "b" {
  domain = domain.example
  name   = "AL"
}`, summary: "Address declared twice", detail: []string{"al@example.com", "user.a", "main.mf.hcl:4"}, at: `"AL"`},
		"a listen address of a server that others run": {
			hcl: `
provider "rfc2136" { server = "192.0.2.53" }
nameserver "theirs" {
  hostname = "ns.elsewhere.net"
  provider = rfc2136
  listen   = ["127.0.0.1:5353"]
}`, summary: "Name server that others run", detail: []string{"rfc2136", "Leave out listen"}, at: `["127.0.0.1:5353"]`},
		"mail at a name server": {
			hcl: `
provider "knot" { server = "192.0.2.53" }
server "theirs" {
  hostname = "mail2.example.com"
  provider = knot
}`, summary: "Role without a provider", detail: []string{"server.theirs needs a provider that can be its mta, and knot cannot"}, at: `knot`},
		"an alias equal to a user": {
			hcl: `
user "a" {
  domain  = domain.example
  name    = "a"
}
alias "x" {
  domain  = domain.example
  name    = "a"
  members = ["x@elsewhere.net"]
}`, summary: "Address declared twice", detail: []string{"a@example.com", "user.a"}, at: `"a"`},
		"a user's alias equal to another user": {
			hcl: `
user "a" {
  domain  = domain.example
  name    = "a"
  aliases = ["x", "b"]
}
user "b" {
  domain = domain.example
  name   = "b"
}`, summary: "Address declared twice", detail: []string{"b@example.com", "user.a"}, at: `"b"`},
		"an alias block of the postmaster beside the postmaster": {
			hcl: `!` + strings.Replace(base, `mx { server`, `postmaster = user.a
  mx { server`, 1) + `
user "a" {
  domain = domain.example
  name   = "a"
}
alias "p" {
  domain  = domain.example
  name    = "postmaster"
  members = [user.a]
}`, summary: "Address declared twice", detail: []string{"postmaster@example.com", "alias.p"}, at: `user.a`},
		"two users of one for_each": {
			hcl: `
user "a" {
  for_each = toset(["x", "X"])
  domain   = domain.example
  name     = each.key
}`, summary: "Address declared twice", detail: []string{"x@example.com", `user.a["X"]`}, at: `each.key`},
		"aliases in a circle": {
			hcl: `
alias "a" {
  domain  = domain.example
  name    = "a"
  members = [alias.b]
}
alias "b" {
  domain  = domain.example
  name    = "b"
  members = ["x@elsewhere.net", "a@example.com"]
}`, summary: "Mail goes round in a circle", detail: []string{"a@example.com → b@example.com → a@example.com", "alias.a (main.mf.hcl:5)", "alias.b (main.mf.hcl:10)"}, at: `[alias.b]`},
		"an alias of itself": {
			hcl: `
alias "a" {
  domain  = domain.example
  name    = "a"
  members = [alias.a]
}`, summary: "Mail goes round in a circle", detail: []string{"a@example.com → a@example.com"}, at: `[alias.a]`},
		"forwards in a circle by an alias": {
			hcl: `
user "a" {
  domain     = domain.example
  name       = "a"
  mail       = "forward"
  forward_to = alias.b
}
alias "b" {
  domain  = domain.example
  name    = "b"
  members = [user.a]
}`, summary: "Mail goes round in a circle", detail: []string{"a@example.com → b@example.com → a@example.com"}, at: `alias.b`},
		"a forward to the user's own alias": {
			hcl: `
user "a" {
  domain     = domain.example
  name       = "a"
  aliases    = ["b"]
  mail       = "forward"
  forward_to = "b@example.com"
}`, summary: "Mail goes round in a circle", detail: []string{"a@example.com → b@example.com → a@example.com"}, at: `"b@example.com"`},
		"a member that does not exist": {
			hcl: `
alias "a" {
  domain  = domain.example
  name    = "a"
  members = ["x@elsewhere.net", "ghost@example.com"]
}`, summary: "Unknown address", detail: []string{"Mail for a@example.com", "ghost@example.com", "domain.example"}, at: `"ghost@example.com"`},
		"a forward to nobody who exists": {
			hcl: `
user "a" {
  domain     = domain.example
  name       = "a"
  mail       = "forward"
  forward_to = ["ghost@example.com"]
}`, summary: "Unknown address", detail: []string{"ghost@example.com"}, at: `"ghost@example.com"`},
		"a postmaster who does not exist": {
			hcl:     `!` + strings.Replace(base, `mx { server`, `postmaster = "ghost@example.com"`+"\n  mx { server", 1),
			summary: "Unknown address", detail: []string{"postmaster@example.com", "ghost@example.com"}, at: `"ghost@example.com"`},
		"a postmaster who is himself": {
			hcl:     `!` + strings.Replace(base, `mx { server`, `postmaster = "postmaster@example.com"`+"\n  mx { server", 1),
			summary: "Unknown address", detail: []string{"names itself"}, at: `"postmaster@example.com"`},
		"a catch-all that only the catch-all has": {
			hcl:     `!` + strings.Replace(base, `mx { server`, `catch_all = "ghost@example.com"`+"\n  mx { server", 1),
			summary: "Unknown address", detail: []string{"all other addresses of example.com", "ghost@example.com"}, at: `"ghost@example.com"`},
		"reports to nobody who exists": {
			hcl: `!` + strings.Replace(base, `mx { server`, `dmarc {
    policy = "none"
    rua    = "ghost@example.com"
  }
  mx { server`, 1),
			summary: "Unknown address", detail: []string{"A report for domain.example", "ghost@example.com"}, at: `"ghost@example.com"`},
		"a user in a domain that we do not serve": {
			hcl: `
domain "far" {
  name = "far.example"
  mx { host = "mx.elsewhere.net" }
}
user "a" {
  domain = domain.far
  name   = "a"
}`, summary: "Domain without a server", detail: []string{"domain.far", "user.a"}, at: `domain.far`},
		"a policy that nothing serves": {
			hcl: `
domain "far" {
  name = "far.example"
  mx { host = "mx.elsewhere.net" }
  mta_sts { mode = "testing" }
}`, summary: "Policy without a web server", detail: []string{"domain.far", "https://mta-sts.far.example", "by web"}, at: `mta_sts`},
		"a policy without an MX": {
			hcl: `
domain "far" {
  name = "far.example"
  mta_sts {
    mode = "enforce"
    host = "www.far.example"
  }
}`, summary: "Unsuitable MTA-STS policy", detail: []string{"far.example", "at least one MX"}, at: `mta_sts`},
		"a web server without TLS": {
			hcl: `
web "w" {
  hostname = "web.example.com"
  listen   = ["192.0.2.80:80"]
}`, summary: "Nothing to listen on", detail: []string{"web.w", "listen_tls"}, at: `["192.0.2.80:80"]`},
		"a web server where mail programs come in": {
			hcl: `
web "w" {
  hostname   = "web.example.com"
  listen_tls = ["192.0.2.1:993"]
}
server "other" {
  hostname  = "other.example.net"
  addresses = ["192.0.2.1"]
}`, summary: "Two services on one address", detail: []string{"web.w", "server.other.imap"}},
		"a web server by Postfix": {
			hcl: `
web "w" {
  hostname = "web.example.com"
  provider = postfix
}`, summary: "Role without a provider", detail: []string{"web.w", "postfix cannot", "embedded can"}, at: `postfix`},
		"a domain without mail that has an MX": {
			hcl: `
domain "parked" {
  name = "parked.example"
  mode = "none"
  mx { server = server.main }
}`, summary: "Mail in a domain without mail", detail: []string{"domain.parked", "Leave out mx"}, at: `mx`},
		"a user in a domain without mail": {
			hcl: `
domain "parked" {
  name = "parked.example"
  mode = "none"
}
user "a" {
  domain = domain.parked
  name   = "a"
}`, summary: "Mail in a domain without mail", detail: []string{"domain.parked", "no users"}, at: `domain.parked`},
		"an alias in a domain without mail": {
			hcl: `
domain "parked" {
  name = "parked.example"
  mode = "none"
}
alias "a" {
  domain  = domain.parked
  name    = "a"
  members = ["a@elsewhere.net"]
}`, summary: "Mail in a domain without mail", detail: []string{"domain.parked", "no aliases"}, at: `domain.parked`},
		"records for mail programs of a domain that we do not serve": {
			hcl: `
domain "far" {
  name = "far.example"
  mx { host = "mx.elsewhere.net" }
  autoconfig {}
}`, summary: "Domain without a server", detail: []string{"domain.far", "record blocks of the type SRV"}, at: `autoconfig`},
		"a user on a server that does not serve the domain": {
			hcl: `
server "other" {
  hostname = "other.example.net"
}
user "a" {
  domain = domain.example
  name   = "a"
  server = server.other
}`, summary: "Server does not serve the domain", detail: []string{"server.other", "example.com", "domain.example"}, at: `server.other`},
		"a forward to nobody": {
			hcl: `
user "a" {
  domain = domain.example
  name   = "a"
  mail   = "forward"
}`, summary: "Forward to nobody", detail: []string{"needs forward_to", "a@example.com"}, at: `"forward"`},
		"keep_copy without a forward": {
			hcl: `
user "a" {
  domain    = domain.example
  name      = "a"
  keep_copy = true
}`, summary: "keep_copy without forwarding", at: `true`},
		"forward_to without a forward": {
			hcl: `
user "a" {
  domain     = domain.example
  name       = "a"
  forward_to = "x@elsewhere.net"
}`, summary: "forward_to without forwarding", at: `"x@elsewhere.net"`},
		"two domains of one name": {
			hcl: `
domain "again" {
  name = "Example.com."
}`, summary: "Domain declared twice", detail: []string{"example.com", "domain.again"}, at: `"example.com"`},
		"a zone of a domain's name": {
			hcl: `
zone "again" {
  name       = "example.com"
  nameserver = nameserver.ns1
}`, summary: "Zone declared twice", detail: []string{"example.com", "zone.again"}, at: `"example.com"`},
		"two services on one address": {
			hcl: `
server "other" {
  hostname = "other.example.net"
  smtp { listen = ["127.0.0.1:2525"] }
  submission { enabled = false }
  imap { enabled = false }
  pop3 { enabled = false }
}`, summary: "Two services on one address", detail: []string{"server.other.smtp", "127.0.0.1:2525", "server.main.smtp"}},
		"a service on all addresses of a port in use": {
			hcl: `
nameserver "other" {
  hostname = "ns.example.net"
  listen   = [":2525"]
}`, summary: "Two services on one address", detail: []string{"nameserver.other.dns", ":2525", "server.main.smtp"}, at: `[":2525"]`},
		"a service with nothing to listen on": {
			hcl: `
server "other" {
  hostname = "other.example.net"
  smtp { listen = [] }
  submission { enabled = false }
  imap { enabled = false }
  pop3 { enabled = false }
}`, summary: "Nothing to listen on", detail: []string{"smtp", "server.other", "enabled = false"}},
		"a selector twice": {
			hcl: `!` + strings.Replace(base, `mx { server`, `dkim { selector = "s1" }
  dkim { selector = "S1" }
  mx { server`, 1),
			summary: "DKIM selector declared twice", detail: []string{"s1", "main.mf.hcl:17"}, at: `"S1"`},
		"a key with nobody to sign": {
			hcl: `
domain "far" {
  name = "far.example"
  dkim { selector = "s1" }
}`, summary: "DKIM key without a server", detail: []string{"domain.far"}, at: `"s1"`},
		"an MX twice": {
			hcl: `!` + strings.Replace(base, `mx { server`, `mx { host = "Mail.example.com" }
  mx { server`, 1),
			summary: "MX declared twice", detail: []string{"mail.example.com", "main.mf.hcl:17"}, at: `server.main`},
		"an MX without a server": {
			hcl:     `!` + strings.Replace(base, `mx { server = server.main }`, `mx { preference = 10 }`, 1),
			summary: "One of server and host"},
		"an MX to an address in a record": {
			hcl:     rec("MX", `"10 192.0.2.1"`),
			summary: "Record points to an address", detail: []string{"MX records have a name", "A and AAAA", "target-address", "RFC 1035"}, at: `"10 192.0.2.1"`},
		"a text that no record holds": {
			hcl:     rec("TXT", `"`+strings.Repeat("ä", 40000)+`"`),
			summary: "Unsuitable record value", detail: []string{`"` + strings.Repeat("ä", 200) + `…" is no value`, "80000 octets, and a TXT record holds at most 65279"},
			at: `"` + strings.Repeat("ä", 40000) + `"`},
		"an NS to an address": {
			hcl:     rec("NS", `"2001:db8::1"`),
			summary: "Record points to an address", at: `"2001:db8::1"`},
		"an MX to a CNAME": {
			hcl:     rec("MX", `"10 alias"`) + recAt("alias", "CNAME", `"mail"`),
			summary: "MX record points to a CNAME", detail: []string{"alias.example.com.", "record.alias", "RFC 2181"}, at: `["10 alias"]`},
		"an MX to a name without an address": {
			hcl:     rec("MX", `"10 nowhere"`),
			summary: "MX record points to a name without an address", detail: []string{"nowhere.example.com.", "Add a record"}, at: `["10 nowhere"]`},
		"a name server without an address in its own zone": {
			hcl:     `!` + strings.Replace(base, "127.0.0.1:2053", ":2053", 1),
			summary: "NS record points to a name without an address", detail: []string{"ns1.example.com.", "Set addresses in nameserver.ns1"}, at: `nameserver.ns1`},
		"a record that is ignored": {
			hcl:     `!` + strings.Replace(base, "mx {", "ignore {\n    type = \"TXT\"\n    value = \"google-*\"\n  }\n  mx {", 1) + recAt("@", "TXT", `"google-x"`),
			summary: "Record both declared and ignored", detail: []string{`"google-x"`, "example.com.", "main.mf.hcl:17", "allow_declared"}, at: `"@"`},
		"an ignore block without a rule": {
			hcl:     `!` + strings.Replace(base, "mx {", "ignore {}\n  mx {", 1),
			summary: "Ignoring without a rule", detail: []string{`"**"`}, at: `ignore`},
		"an ignore block for a name that is none": {
			hcl:     `!` + strings.Replace(base, "mx {", "ignore {\n name = \"a..b\"\n }\n  mx {", 1),
			summary: "Unsuitable value", detail: []string{`"a..b"`, "empty label"}, at: `ignore`},
		"an ignore block for a type that is none": {
			hcl:     `!` + strings.Replace(base, "mx {", "ignore {\n type = \"SPF\"\n }\n  mx {", 1),
			summary: "Unsuitable value", detail: []string{`"SPF"`, "RFC 7208"}, at: `"SPF"`},
		"an exclusive zone of somebody else": {
			hcl: `!domain "x" {
  name      = "example.net"
  exclusive = true
}`, summary: "Zone of somebody else", detail: []string{"no nameserver"}, at: `true`},
		"a CNAME beside something": {
			hcl:     recAt("www", "CNAME", `"mail"`) + recAt("www", "TXT", `"hello"`),
			summary: "CNAME beside other records", detail: []string{"www.example.com.", "TXT", "RFC 1034"}, at: `"www"`},
		"a CNAME beside what is made": {
			hcl:     recAt("mail", "CNAME", `"elsewhere.net."`),
			summary: "CNAME beside other records", detail: []string{`server.main.address["A"]`}, at: `"mail"`},
		"a CNAME at the name of a zone": {
			hcl:     recAt("@", "CNAME", `"elsewhere.net."`),
			summary: "CNAME at the name of a zone", at: `"@"`},
		"two targets of a CNAME": {
			hcl:     rec("CNAME", `"a.elsewhere.net", "b.elsewhere.net"`),
			summary: "More than one CNAME", detail: []string{"x.example.com. has 2"}},
		"a record set twice": {
			hcl:     recAt("www", "A", `"192.0.2.1"`) + strings.Replace(recAt("WWW", "A", `"192.0.2.2"`), `"record WWW"`, `"y"`, 1),
			summary: "Record set declared twice", detail: []string{"A records of www.example.com.", "record."}},
		"a record set that is made already": {
			hcl:     recAt("@", "MX", `"10 mx.elsewhere.net"`),
			summary: "Record set declared twice", detail: []string{"domain.example.mx"}, at: `"@"`},
		"a name outside of its zone": {
			hcl:     recAt("www.example.net.", "A", `"192.0.2.1"`),
			summary: "Record outside its zone", detail: []string{"example.com", "domain.example"}, at: `"www.example.net."`},
		"a name in another zone of ours": {
			hcl: recAt("a.b", "A", `"192.0.2.1"`) + `
zone "b" {
  name       = "b.example.com"
  nameserver = nameserver.ns1
}`, summary: "Record outside its zone", detail: []string{"b.example.com", "zone = zone.b"}, at: `"a.b"`},
		"an address that is none": {
			hcl:     rec("A", `"192.0.2.1", "192.0.2.300"`),
			summary: "Unsuitable record value", detail: []string{"192.0.2.300", "type A", "Expected is an IPv4 address"}, at: `"192.0.2.300"`},
		"an IPv6 address under A": {
			hcl:     rec("A", `"2001:db8::1"`),
			summary: "Unsuitable record value", detail: []string{"its type is AAAA"}, at: `"2001:db8::1"`},
		"an SRV that lacks something": {
			hcl:     rec("SRV", `"0 993 mail"`),
			summary: "Unsuitable record value", detail: []string{"priority, weight, port and a host name"}, at: `"0 993 mail"`},
		"a TXT too long": {
			hcl:     rec("TXT", `join("", [for i in range(1000) : "0123456789012345678901234567890123456789012345678901234567890123456789"])`),
			summary: "Unsuitable record value", detail: []string{"at most 65279"}},
		"two SPF policies in one block": {
			hcl:     rec("TXT", `"v=spf1 -all", "V=SPF1 mx -all"`),
			summary: "More than one SPF policy", detail: []string{"RFC 7208 §3.2"}, at: `["v=spf1 -all", "V=SPF1 mx -all"]`},
		"a second SPF policy": {
			hcl:     `!` + strings.Replace(base, `mx { server`, "spf { policy = \"fail\" }\n  mx { server", 1) + recAt("@", "TXT", `"v=spf1 -all"`),
			summary: "More than one SPF policy", detail: []string{"example.com."}},
		"two times to live in one set": {
			hcl: `!` + strings.Replace(base, `mx { server`, "spf { policy = \"fail\" }\n  mx { server", 1) + `
record "v" {
  zone   = domain.example.zone
  name   = "@"
  type   = "TXT"
  ttl    = "5m"
  values = ["verification"]
}`, summary: "Two times to live in one record set", detail: []string{"domain.example.spf", "3600", "RFC 2181"}, at: `"@"`},
		"two times to live in mx blocks": {
			hcl: `!` + strings.Replace(base, `mx { server = server.main }`, `mx {
    server = server.main
    ttl    = "1h"
  }
  mx {
    host = "mx.elsewhere.net"
    ttl  = "5m"
  }`, 1), summary: "Two times to live in one record set", detail: []string{"3600", "300"}, at: `"5m"`},
		"more look-ups than SPF allows": {
			hcl:     `!` + strings.Replace(base, `mx { server`, "spf { include = [for i in range(11) : \"s${i}.elsewhere.net\"] }\n  mx { server", 1),
			summary: "Unsuitable SPF policy", detail: []string{"12 look-ups"}},
		"mail of a domain in two places": {
			hcl: `!` + strings.Replace(base, `mx { server`, `mx { server = server.far }
  mx { server`, 1) + `
provider "embedded" {
  alias    = "far"
  data_dir = "far"
}
server "far" {
  hostname  = "far.example.com"
  addresses = ["127.0.0.2"]
  provider  = embedded.far
}`, summary: "Mail of one domain in two places", detail: []string{"server.far", "embedded.far", "server.main"}, at: `server.main`},
		"mail that nobody keeps": {
			hcl: `
server "half" {
  hostname = "half.example.net"
  provider = postfix
}`, summary: "Role without a provider", detail: []string{"server.half", "its store", "postfix cannot", "cyrus, dovecot and embedded can"}, at: "postfix"},
		"a provider that a server has no use for": {
			hcl: `
server "odd" {
  hostname  = "odd.example.net"
  addresses = ["127.0.0.9"]
  provider  = [postfix, dovecot, bind]
}`, summary: "Provider without a role", detail: []string{"server.odd", "bind, which can be dns"}},
		"a script where nobody runs it": {
			hcl: `!` + strings.Replace(base, "server \"main\" {", "server \"main\" {\n  provider = [postfix, cyrus]", 1) + `
user "a" {
  domain = domain.example
  name   = "a"
  sieve  = "keep;"
}`, summary: "Setting that the provider does not have", detail: []string{"sieve of user.a.mailbox", "cyrus has no place for a Sieve script"}, at: `"keep;"`},
		"a key where nobody signs": {
			hcl:     `!` + strings.Replace(strings.Replace(base, "server \"main\" {", "server \"main\" {\n  provider = [postfix, dovecot]", 1), `mx { server`, "dkim { selector = \"s1\" }\n  mx { server", 1),
			summary: "DKIM key without a signer", detail: []string{"server.main", "domain.example", "embedded can"}},
		"one data directory for two": {
			hcl: `
provider "embedded" {
  alias    = "far"
  data_dir = "mail/../mail"
}
nameserver "far" {
  hostname = "far.example.net"
  listen   = ["127.0.0.2:53"]
  provider = embedded.far
}`, summary: "Two servers in one data directory", detail: []string{"embedded and embedded.far", "/mail"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"main.mf.hcl": tt.hcl, "base.mf.hcl": base}
			if alone, ok := strings.CutPrefix(tt.hcl, "!"); ok {
				files = map[string]string{"main.mf.hcl": alone}
			}
			res, diags := expand.Expand(load(t, files), expand.Options{})
			if res != nil || len(diags) == 0 {
				t.Fatal("no error")
			}
			if len(diags) > 1 {
				t.Errorf("%d errors, want one:\n%v", len(diags), errorList(diags.Errs()))
			}
			d := diags[0]
			if d.Summary != tt.summary {
				t.Errorf("summary %q, want %q (%s)", d.Summary, tt.summary, d.Detail)
			}
			for _, part := range tt.detail {
				if !strings.Contains(d.Detail, part) {
					t.Errorf("detail %q does not say %q", d.Detail, part)
				}
			}
			got := where(files, d.Subject)
			if tt.at != "" && got != tt.at || strings.HasPrefix(got, "outside") || got == "nowhere" {
				t.Errorf("points at %q, want %q", got, tt.at)
			}
		})
	}
}

// rec is a record block at the name x.
func rec(rrtype, values string) string { return recAt("x", rrtype, values) }

func recAt(name, rrtype, values string) string {
	label := strings.Trim(strings.ReplaceAll(name, ".", "_"), "_@")
	if label == "" {
		label = "apex"
	}
	return fmt.Sprintf("\nrecord %q {\n  zone   = domain.example.zone\n  name   = %q\n  type   = %q\n  values = [%s]\n}\n", label+suffixFor(rrtype, label), name, rrtype, values)
}

// suffixFor keeps the labels of two blocks at one name apart.
func suffixFor(rrtype, label string) string {
	if rrtype == "TXT" && label != "apex" {
		return "_txt"
	}
	return ""
}

func errorList(errs []error) string {
	var b strings.Builder
	for _, err := range errs {
		fmt.Fprintln(&b, " ", err)
	}
	return b.String()
}

func TestAllErrorsComeAtOnceInOrder(t *testing.T) {
	files := map[string]string{"a.mf.hcl": base, "b.mf.hcl": `
alias "a" {
  domain  = domain.example
  name    = "a"
  members = ["ghost@example.com"]
}
user "a" {
  domain = domain.example
  name   = "a"
}` + rec("A", `"nonsense"`) + recAt("mail", "CNAME", `"elsewhere.net."`)}
	_, diags := expand.Expand(load(t, files), expand.Options{})
	var got []string
	for _, d := range diags {
		got = append(got, fmt.Sprintf("%d: %s", d.Subject.Start.Line, d.Summary))
	}
	want := []string{
		"4: Address declared twice", "5: Unknown address", "15: Unsuitable record value", "20: CNAME beside other records",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
