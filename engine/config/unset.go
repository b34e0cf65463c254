package config

// An Unset is a variable without a default that nobody has set.
type Unset struct {
	Name, Description string
	// Secret is set for one whose value must not be seen.
	Secret bool
}

// Unset lists the variables that somebody has to be asked for, by name. Where
// something is wrong with the values that are given, there are none: that is to
// be told first. No command is run for it.
func (m *Module) Unset(opts Options) []Unset {
	opts.AllowUnset = true
	values, diags := m.variableValues(opts)
	if diags.HasErrors() || m.unread {
		return nil
	}
	var unset []Unset
	for _, name := range keys(m.variables) {
		v := m.variables[name]
		// What is set is known, at least in its outline.
		if value, _ := values[name].Unmark(); v.command == nil && !value.IsKnown() {
			unset = append(unset, Unset{Name: name, Description: v.description, Secret: v.sensitive || v.ephemeral})
		}
	}
	return unset
}
