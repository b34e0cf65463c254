package schema

import "github.com/zclconf/go-cty/cty"

var movedBlock = &BlockType{
	Type: "moved",
	Doc: "Says that a block, or an instance of one, has another address than before. What it describes is known by its nature (a mailbox by " +
		"its address), so most renames need no such block; it matters where both the address and the nature change at once: then the old " +
		"thing is replaced by the new one. A mailbox is never replaced that way, because its mail would stay behind.",
	Example: `moved {
  from = record.web
  to   = record.site["www"]
}`,
	Attributes: []Attribute{
		{Name: "from", Type: cty.DynamicPseudoType, Required: true, Static: true, Doc: "The former address: `user.alice` or `user.staff[\"alice\"]`. There must be no such block any more."},
		{Name: "to", Type: cty.DynamicPseudoType, Required: true, Static: true, Doc: "The address now, of the same type."},
	},
}

var removedBlock = &BlockType{
	Type: "removed",
	Doc: "Says what becomes of what a block described that is no longer in the files. Without it, that is deleted. With " +
		"`lifecycle { destroy = false }` it stays as it is, and mailform no longer looks after it: it is forgotten.",
	Example: `removed {
  from = user.bob
  lifecycle {
    destroy = false
  }
}`,
	Attributes: []Attribute{
		{Name: "from", Type: cty.DynamicPseudoType, Required: true, Static: true, Doc: "The former address: `user.bob` or `user.staff[\"bob\"]`. There must be no such block any more."},
	},
	Blocks: []NestedBlock{
		{Type: "lifecycle", Doc: "How it goes.",
			Attributes: []Attribute{
				{Name: "destroy", Type: cty.Bool, Static: true, Default: cty.True, Doc: "Whether it is deleted."},
			}},
	},
}

var importBlock = &BlockType{
	Type: "import",
	Doc: "Says that something is there already and is to be taken over. A plan is an error where it is not there. With `for_each`, " +
		"`to` and `id` see `each.key` and `each.value`. The block has no effect once the thing is ours. Where `to` names a block without instances that no file has, `mailform plan -generate-config-out=FILE` writes it.",
	Example: `import {
  to = user.alice
  id = "alice@example.com"
}`,
	Attributes: []Attribute{
		{Name: "to", Type: cty.DynamicPseudoType, Required: true, Doc: "The block, or the instance of one, that declares it: `user.alice`, `user.staff[each.key]`."},
		{Name: "id", Type: cty.String, Required: true, Doc: "What it is called where it is: the address of a mailbox, the name of a domain or a zone, the hostname of a server, `NAME/TYPE` or `ZONE/NAME./TYPE` for records."},
		{Name: "for_each", Type: cty.DynamicPseudoType, Doc: "A map, an object or a set of strings: one import for each element."},
	},
}

var checkBlock = &BlockType{
	Type:  "check",
	Label: "name",
	Doc: "Conditions that are looked at in each plan and after each apply. One that is not met is a warning and stops nothing; for an " +
		"error, see `precondition` in a [lifecycle](values.md#instances).",
	Example: `check "policy" {
  assert {
    condition     = alltrue([for u in user.staff : u.quota != "0"])
    error_message = "Somebody has no quota."
  }
}`,
	Blocks: []NestedBlock{
		{Type: "assert", Repeatable: true, Doc: "A condition.",
			Attributes: []Attribute{
				{Name: "condition", Type: cty.Bool, Required: true, Doc: "An expression that should be true. One that is only known after apply is looked at then."},
				{Name: "error_message", Type: cty.String, Required: true, Doc: "What is said when it is not."},
			}},
	},
}
