package schema

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// All block types, in the order of the documentation: how to begin, what runs,
// what it serves, who uses it, and what of Terraform's language stands around.
var blocks = slices.Concat(
	[]*BlockType{mailformBlock},
	[]*BlockType{serverBlock, filterBlock, nameserverBlock, directoryBlock, webBlock},
	[]*BlockType{domainBlock},
	[]*BlockType{userBlock, aliasBlock, sharedFolderBlock, appPasswordBlock},
	[]*BlockType{zoneBlock, recordBlock},
	[]*BlockType{providerBlock, variableBlock, localsBlock, dataBlock, outputBlock, moduleBlock},
	[]*BlockType{movedBlock, removedBlock, importBlock, checkBlock},
)

var mailformBlock = &BlockType{
	Type: "mailform",
	Doc: "Settings of mailform itself for this directory. A block `backend` in it says where the state is kept, a block `encryption` how it and saved plans " +
		"are encrypted; their arguments can be made of variables, functions, and local values that are made of those.",
	Example: `mailform {
  required_version = ">= 0.1"
}`,
	Attributes: []Attribute{
		{Name: "required_version", Type: cty.String, Static: true,
			Doc: "Versions of mailform that may work with this directory, as constraints separated by commas: `>= 0.1, < 2.0`, `~> 1.4`."},
	},
	Blocks: []NestedBlock{{
		Type: "brakes",
		Doc: "When a plan that takes much away has to be confirmed. What these settings let through, and the defaults would not, " +
			"the plan names all the same. That an MX set, the NS set of a zone, or a mail domain whose mailboxes hold mail goes, always has to be confirmed.",
		Attributes: []Attribute{
			{Name: "percent", Type: cty.Number, Static: true, Default: cty.NumberIntVal(30),
				Doc: "A brake falls where more than this share goes of the record sets of a zone or of the mailboxes of a target, 1 to 100."},
			{Name: "minimum", Type: cty.Number, Static: true, Default: cty.NumberIntVal(10),
				Doc: "Where there are fewer things than this, their share is not looked at, 1 to 1000."},
			{Name: "records", Type: cty.Bool, Static: true, Default: cty.True,
				Doc: "Whether the share of the record sets is looked at."},
			{Name: "mailboxes", Type: cty.Bool, Static: true, Default: cty.True,
				Doc: "Whether the share of the mailboxes is looked at."},
		},
	}},
}

var variableBlock = &BlockType{
	Type:  "variable",
	Label: "name",
	Doc: "A value that is set from outside: by `-var` or `-var-file`, in `mailform.mfvars` or `*.auto.mfvars`, or as " +
		"`MF_VAR_name` in the environment. Read it as `var.name`. Secrets come from files encrypted by age or SOPS, or from a command: " +
		"see [variables](values.md#variables).",
	Example: `variable "alice_password_hash" {
  type        = string
  sensitive   = true
  description = "Made with mailform passwd."
}`,
	Attributes: []Attribute{
		{Name: "type", Type: cty.DynamicPseudoType, Static: true,
			Doc: "A type constraint: `string`, `number`, `bool`, `list(string)`, `map(object({ quota = optional(string, \"1GiB\") }))`. Left out: any type."},
		{Name: "default", Type: cty.DynamicPseudoType, Static: true,
			Doc: "The value where none is set. Left out: one has to be set."},
		{Name: "description", Type: cty.String, Static: true,
			Doc: "What the variable is for."},
		{Name: "sensitive", Type: cty.Bool, Static: true, Default: cty.False,
			Doc: "Whether the value, and all that is made of it, is kept out of every output."},
		{Name: "ephemeral", Type: cty.Bool, Static: true, Default: cty.False,
			Doc: "Whether the value is never remembered, in state or plan. It can then be used in arguments that are not remembered either: `password_hash`, and those of providers; and in locals and conditions."},
		{Name: "command", Type: cty.List(cty.String), Static: true,
			Doc: "A program and its arguments that print the value where none is set: `[\"pass\", \"show\", \"mail/alice\"]`. It runs in the directory of the configuration, without a shell, for a minute at most, and only with `-allow-commands` or `MF_ALLOW_COMMANDS=1`. Line breaks at the end are left out. The value is sensitive; the settings of a backend cannot be made of it."},
		{Name: "deprecated", Type: cty.String, Static: true,
			Doc: "What to do instead of setting the variable. It is said as a warning to whoever sets it."},
		{Name: "nullable", Type: cty.Bool, Static: true, Default: cty.True,
			Doc: "Whether null is a value. Where it is not, null stands for the default."},
	},
	Blocks: []NestedBlock{
		{Type: "validation", Repeatable: true, Doc: "A condition that the value has to meet.",
			Attributes: []Attribute{
				{Name: "condition", Type: cty.Bool, Required: true, Doc: "An expression that has to be true. It reads `var.name`, and may read other variables and local values."},
				{Name: "error_message", Type: cty.String, Required: true, Doc: "What is said when it is not."},
			}},
	},
}

var localsBlock = &BlockType{
	Type: "locals",
	Doc:  "Names for expressions. Each argument is one; read it as `local.name`. The block may stand any number of times.",
	Example: `locals {
  staff = { for person in csvdecode(file("staff.csv")) : person.name => person }
}`,
}

var outputBlock = &BlockType{
	Type:  "output",
	Label: "name",
	Doc:   "A value that is shown after an apply and by `mailform output`; in a module, one that its caller reads.",
	Example: `output "dns" {
  description = "What the one who runs the zone has to enter."
  value       = domain.example.zone_file
}`,
	Attributes: []Attribute{
		{Name: "value", Type: cty.DynamicPseudoType, Required: true,
			Doc: "Any expression. A block named bare is shown as its address."},
		{Name: "description", Type: cty.String, Static: true,
			Doc: "What the value is."},
		{Name: "sensitive", Type: cty.Bool, Static: true, Default: cty.False,
			Doc: "Has to be true where the value is made of sensitive values. It is then shown as `(sensitive value)`. An output of a module hands them on in any case."},
		{Name: "ephemeral", Type: cty.Bool, Static: true, Default: cty.False,
			Doc: "Whether the caller of the module must not remember the value. Not in the root module, whose outputs are remembered."},
	},
}

var providerBlock = &BlockType{
	Type:  "provider",
	Label: "provider",
	Doc: "A system that mailform works with. A block may be left out where the defaults will do. With `alias` there can be " +
		"more than one of a sort; `provider = embedded.second` names one. With `for_each` and `alias` there is one for each element of a map or a " +
		"set of strings, and `provider = embedded.node[each.key]` names one of those. Only the root module has such blocks; see [modules](../modules.md#providers).",
	Example: `provider "embedded" {
  data_dir = "./mail"
}`,
	Attributes: []Attribute{aliasAttribute},
}

var aliasAttribute = Attribute{Name: "alias", Type: cty.String, Static: true, Form: FormIdentifier,
	Doc: "A name for this instance of the provider. Left out: it is the default instance."}
