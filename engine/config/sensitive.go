package config

// SensitiveVariable reports whether a variable must not be shown or stored: one
// that is declared sensitive or ephemeral, that a sensitive argument is made of, whose value came from a command or an
// encrypted file, or that is not declared at all.
func (m *Module) SensitiveVariable(name string) bool {
	v := m.variables[name]
	return v == nil || v.sensitive || v.ephemeral || v.hidden || v.command != nil || m.given[name].secret != notSecret
}
