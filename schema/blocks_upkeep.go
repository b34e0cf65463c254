package schema

import "github.com/zclconf/go-cty/cty"

// upkeepBlock says what a server does with mailboxes by itself.
var upkeepBlock = NestedBlock{Type: "upkeep",
	Doc: "What is done with users' mailboxes as time goes by. Left out: nothing. Where one process keeps the mail of several servers, the longest times count, and all thresholds.",
	Attributes: []Attribute{
		{Name: "trash", Sets: []string{"upkeep.trash"}, Type: cty.String, Form: FormDuration,
			Doc: "How long a message stays in the mailbox Trash (`\\Trash`), counted from when it came there. Then it is gone for good. Left out, or `\"0s\"`: for ever."},
		{Name: "junk", Sets: []string{"upkeep.junk"}, Type: cty.String, Form: FormDuration,
			Doc: "The same for the mailbox Junk (`\\Junk`)."},
		{Name: "warn", Sets: []string{"upkeep.warn"}, Type: cty.List(cty.Number), Form: FormPercent,
			Doc: "Percentages of a user's `quota`. When the mail grows beyond one the user gets a message that says so; another only after it has been below. Left out: none."},
	}}

var upkeepAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "trash", Type: cty.Number, Doc: "How long messages stay in Trash, in seconds; 0: for ever."},
	{Name: "junk", Type: cty.Number, Doc: "How long messages stay in Junk, in seconds; 0: for ever."},
	{Name: "warn", Type: cty.List(cty.Number), Doc: "Percentages of the quota that users are told of, rising."},
}
