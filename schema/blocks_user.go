package schema

import "github.com/zclconf/go-cty/cty"

var userBlock = &BlockType{
	Type:  "user",
	Label: "name",
	Doc:   "Somebody with a mailbox. Users log in with their full address.",
	Example: `user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = var.alice_password_hash
  quota         = "2GiB"
  protocols     = ["imap", "pop3"]
  aliases       = ["al"]
}`,
	Instances: true,
	Attributes: []Attribute{
		mailDomainAttribute,
		{Name: "name", Type: cty.String, Required: true, Form: FormLocalPart,
			Doc: "Part of the address before the `@`. Upper and lower case are the same."},
		{Name: "password_hash", Sets: []string{"mailbox.password_hash"}, Type: cty.List(cty.String), OrOne: true, Sensitive: true, Form: FormPasswordHash,
			Doc: "What `mailform passwd` prints, or a list of several verifiers of the same password. Plain text is never accepted. Left out: nobody can log in."},
		{Name: "quota", Sets: []string{"mailbox.quota"}, Type: cty.String, Default: cty.StringVal("0"), Form: FormSize,
			Doc: "Largest size of all messages together. `\"0\"`: no limit."},
		{Name: "protocols", Sets: []string{"mailbox.protocols"}, Type: cty.List(cty.String), Default: stringList("imap", "pop3"), Form: oneOf("imap", "pop3"),
			Doc: "Protocols with which the user may read mail: either, both, or none."},
		{Name: "sieve", Sets: []string{"mailbox.sieve"}, Type: cty.String,
			Doc: "Sieve script (RFC 5228) that sorts the user's mail as it comes in, as text or by `file(\"alice.sieve\")`. Left out: the inbox takes all."},
		{Name: "aliases", Type: cty.List(cty.String), Form: FormLocalPart,
			Doc: "Further names in the same domain that the user receives mail for."},
		{Name: "server", Type: RefType, Refs: []string{"server"},
			Doc: "The server that holds the mailbox. Left out: that of the domain."},
		{Name: "mail", Type: cty.String, Default: cty.StringVal("enabled"), Form: oneOf("enabled", "disabled", "forward"),
			Doc: "`disabled` refuses mail and log-in and keeps what is there. `forward` hands mail on to `forward_to`."},
		{Name: "forward_to", Type: cty.DynamicPseudoType, Target: TargetList, OrOne: true, Refs: []string{"user", "alias"}, Form: FormAddress,
			Doc: "Who receives the mail of the user with `mail = \"forward\"`."},
		{Name: "keep_copy", Sets: []string{"route.keep_copy"}, Type: cty.Bool, Default: cty.False,
			Doc: "Whether the mailbox keeps a copy of what is forwarded."},
	},
	Computed: []ComputedAttribute{addressComputed},
}

var aliasBlock = &BlockType{
	Type:  "alias",
	Label: "name",
	Doc:   "An address that hands mail on to others.",
	Example: `alias "sales" {
  domain  = domain.example
  name    = "sales"
  members = [user.alice, user.staff["bob"], "partner@elsewhere.net"]
}`,
	Instances: true,
	Attributes: []Attribute{
		mailDomainAttribute,
		{Name: "name", Type: cty.String, Required: true, Form: FormLocalPart,
			Doc: "Part of the address before the `@`."},
		{Name: "members", Sets: []string{"route.members"}, Type: cty.DynamicPseudoType, Required: true, Target: TargetList, NonEmpty: true, OrOne: true, Refs: []string{"user", "alias"}, Form: FormAddress,
			Doc: "Who receives the mail: users, further aliases, and addresses anywhere."},
	},
	Computed: []ComputedAttribute{addressComputed},
}

var mailDomainAttribute = Attribute{Name: "domain", Type: RefType, Required: true, Refs: []string{"domain"},
	Doc: "The domain of the address."}

var addressComputed = ComputedAttribute{Name: "address", Type: cty.String, Derived: true,
	Doc: "The whole address, made of `name` and the name of the domain."}
