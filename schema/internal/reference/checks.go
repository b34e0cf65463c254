package reference

import (
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema/check"
)

const checksIntro = `# Checks

Before there is a plan, the records of the configuration are held against one another. A check that is an error stops ` + "`validate`, `plan` and `apply`" + `;
one that is a warning is told. What is not known before apply is checked once it is. Nothing is looked up: where a name lies in
no zone of the configuration, or below a delegation, nothing is said of it.

` + "`disable_checks = [\"mx-target-cname\"]`" + ` switches checks off: in a ` + "`record`, `domain`, `zone` or `nameserver`" + ` block for the records of that block, of that
zone, of all zones of that server.
`

// checks describes the checks between records.
func checks() string {
	var w strings.Builder
	w.WriteString(header + checksIntro)
	for _, part := range []struct {
		heading        string
		fixed, warning bool
	}{
		{"Errors that cannot be switched off", true, false},
		{"Errors", false, false},
		{"Warnings", false, true},
	} {
		fmt.Fprintf(&w, "\n## %s\n\n| check | what is wrong | |\n|---|---|---|\n", part.heading)
		for _, c := range check.All() {
			if c.Fixed == part.fixed && c.Warning == part.warning {
				fmt.Fprintf(&w, "| `%s` | %s | %s |\n", c.ID, c.Doc, c.RFC)
			}
		}
	}
	return w.String()
}
