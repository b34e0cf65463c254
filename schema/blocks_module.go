package schema

import "github.com/zclconf/go-cty/cty"

var moduleBlock = &BlockType{
	Type:  "module",
	Label: "name",
	Doc: "Calls a module: a directory of files like this one, described once and used as often as there are values for it. Every other argument " +
		"is a value for a variable of the module. Its outputs are read as `module.name.output`, or `module.name[\"key\"].output` with `for_each`. " +
		"See [modules](../modules.md).",
	Example: `module "customer" {
  source   = "./customer"
  for_each = toset(["example.net", "example.org"])

  name   = each.key
  server = server.main # a block, handed in as what it is
}`,
	Attributes: []Attribute{
		{Name: "source", Type: cty.String, Required: true,
			Doc: "Where the module is: a path that begins with `./` or `../`, relative to the file's directory, or a git repository " +
				"(`git::https://example.com/mail.git//customer?ref=v1.2`, `github.com/org/repo//customer?ref=v1.2`), which `mailform init` fetches. " +
				"It can be made of variables, and of local values that are made of those."},
		{Name: "for_each", Type: cty.DynamicPseudoType, Doc: "A map, an object or a set of strings: one instance of the module for each element."},
		{Name: "count", Type: cty.Number, Doc: "How many instances there are."},
		{Name: "depends_on", Type: cty.DynamicPseudoType, Doc: "What has to be there before anything of the module: blocks and modules."},
		{Name: "providers", Type: cty.DynamicPseudoType,
			Doc: "Which provider the module works with where it says another: `{ embedded = embedded.second }`. Without it, the module has that of its caller. " +
				"A provider with an alias has to be handed over by name: `{ embedded.node = embedded.node }`."},
	},
	Blocks: []NestedBlock{
		{Type: "lifecycle", Doc: "Whether there is anything of it.",
			Attributes: []Attribute{
				{Name: "enabled", Type: cty.Bool, Default: cty.True, Doc: "Whether the module is called at all. Not together with `for_each` or `count`."},
			}},
	},
}
