package schema

import "github.com/zclconf/go-cty/cty"

// Words for what everybody may do in a shared folder.
var everyone = []string{"nothing", "read", "write"}

var sharedFolderBlock = &BlockType{
	Type:  "shared_folder",
	Label: "name",
	Doc: "Mailboxes that several users read and write, as a folder of their own mail program: `Shared Folders/` and the name. Mail for its address goes there. " +
		"Nobody logs in as it. The embedded server has them; their IMAP clients find them by NAMESPACE (RFC 2342).",
	Example: `shared_folder "team" {
  domain  = domain.example
  name    = "team"
  quota   = "5GiB"
  readers = [user.staff["bob"]]
  writers = [user.alice]
}`,
	Instances: true,
	Attributes: []Attribute{
		mailDomainAttribute,
		{Name: "name", Type: cty.String, Required: true, Form: FormLocalPart,
			Doc: "Part of the address before the `@`, and what users see. To users of other domains the folder is called by its whole address."},
		{Name: "quota", Sets: []string{"mailbox.quota"}, Type: cty.String, Default: cty.StringVal("0"), Form: FormSize,
			Doc: "Largest size of all messages together. `\"0\"`: no limit."},
		{Name: "readers", Sets: []string{"sharing.readers"}, Type: cty.DynamicPseudoType, Target: TargetList, OrOne: true, Refs: []string{"user"}, Form: FormAddress,
			Doc: "Users who read it, and mark what they have read (the rights `lrs` of RFC 4314). The mark is there for all."},
		{Name: "writers", Sets: []string{"sharing.writers"}, Type: cty.DynamicPseudoType, Target: TargetList, OrOne: true, Refs: []string{"user"}, Form: FormAddress,
			Doc: "Users who also put messages there, flag and delete them (`lrswipte`)."},
		{Name: "managers", Sets: []string{"sharing.managers"}, Type: cty.DynamicPseudoType, Target: TargetList, OrOne: true, Refs: []string{"user"}, Form: FormAddress,
			Doc: "Users who also make, rename and delete mailboxes below it, and give others rights on these (all rights)."},
		{Name: "everyone", Sets: []string{"sharing.everyone"}, Type: cty.String, Default: cty.StringVal("nothing"), Form: oneOf(everyone...),
			Doc: "What every user of the server may do: `nothing`, `read` as readers do, or `write` as writers do."},
		{Name: "server", Type: RefType, Refs: []string{"server"},
			Doc: "The server that holds it. Left out: that of the domain."},
	},
	Computed: []ComputedAttribute{addressComputed},
}

var sharingAttributes = []KindAttribute{
	{Name: "address", Type: cty.String, Immutable: true, Doc: "Address of the account."},
	{Name: "readers", Type: cty.List(cty.String), Doc: "Addresses of those who read it. Sorted."},
	{Name: "writers", Type: cty.List(cty.String), Doc: "Addresses of those who write, too. Sorted."},
	{Name: "managers", Type: cty.List(cty.String), Doc: "Addresses of those who have all rights. Sorted."},
	{Name: "everyone", Type: cty.String, Doc: "What every user of the server may do: \"nothing\", \"read\" or \"write\"."},
}
