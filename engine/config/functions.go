package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
)

// absent are functions that people know from elsewhere, and what there is in
// their place.
var absent = map[string]string{
	"bcrypt":           "It makes another hash each time, so that no plan would be like the next. \"mailform passwd\" makes a hash once, and a variable takes it.",
	"list":             "A list is written as [a, b]; tolist makes one of a set or a tuple.",
	"map":              "A map is written as { a = b }; tomap makes one of an object.",
	"nothing":          "The value for nothing is null.",
	"rsadecrypt":       "Files of values can be encrypted by age or SOPS.",
	"timestamp":        "It is another time each time, so that no plan would be like the next. plantimestamp() is the time that \"mailform plan -at\" gives.",
	"uuid":             "It makes another one each time, so that no plan would be like the next. uuidv5 makes the same one of the same name.",
	"env":              "A variable takes its value from the environment: " + EnvPrefix + "NAME.",
	"filebase64gunzip": "base64gunzip(filebase64(path)) does the same.",
}

// call holds the name of a function to those that there are.
func (s *scan) call(c *hclsyntax.FunctionCallExpr) {
	exists := false
	if s.functions != nil {
		_, exists = s.functions[c.Name]
	} else {
		f := schema.FunctionByName(c.Name)
		exists = f != nil && !f.ConsoleOnly
	}
	if exists {
		return
	}
	detail := fmt.Sprintf("There is no function named %q.", c.Name)
	switch f := schema.FunctionByName(c.Name); {
	case f != nil:
		detail = fmt.Sprintf("The function %q is for \"mailform console\" only.", c.Name)
	case absent[c.Name] != "":
		detail += " " + absent[c.Name]
	default:
		var names []string
		for _, f := range schema.Functions() {
			if !f.ConsoleOnly {
				names = append(names, f.Name)
			}
		}
		detail += suggestion(c.Name, names)
	}
	s.diags = append(s.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Call to unknown function",
		Detail:   detail,
		Subject:  c.NameRange.Ptr(),
	})
}
