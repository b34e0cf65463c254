package mailtest

// A System is a private instance of a server.
type System interface {
	// Block is the provider block for it, in the language of the files.
	Block() string
}
