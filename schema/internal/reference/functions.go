package reference

import (
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema"
)

const functionsIntro = `# Functions

Functions have the names and the meaning that they have in Terraform; those for mail are mailform's own, and made of the code that makes the
records of ` + "`domain`" + ` blocks. A function of what is not known yet is not known yet, and of a sensitive value sensitive. There
are none whose result is another one each time (` + "`timestamp`, `uuid`, `bcrypt`" + `): the same files make the same plan.
`

// functions describes the function library.
func functions() string {
	var w strings.Builder
	w.WriteString(header + functionsIntro)
	for _, group := range schema.FunctionGroups() {
		fmt.Fprintf(&w, "\n## %s\n", group)
		for _, f := range schema.Functions() {
			if f.Group == group {
				function(&w, f)
			}
		}
	}
	return w.String()
}

func function(w *strings.Builder, f *schema.Function) {
	fmt.Fprintf(w, "\n### `%s`\n\n%s\n", f.Signature(), f.Doc)
	switch {
	case f.Result != "":
		fmt.Fprintf(w, "\n```hcl\n%s\n# %s\n```\n", f.Example, f.Result)
	case f.Example != "":
		fmt.Fprintf(w, "\n```hcl\n%s\n```\n", f.Example)
	}
	attributes(w, f.Fields, "")
}
