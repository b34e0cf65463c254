package postfix

import "github.com/mailform/mailform/providers/attributes"

// attrs are the attributes of a resource, all of them there.
type attrs = attributes.Set
