// Package httpstate keeps a state behind a server that speaks Terraform's
// protocol for states over HTTP, as GitLab does.
//
// The protocol knows only whole states, so each write sends all of it. The lock
// stays until it is released: that of a runner which was killed has to be taken
// away by `mailform force-unlock`. Each write names the lock that it is made
// under, and a server that holds another one refuses it: so a runner whose lock
// was taken away cannot overwrite what its successor has written.
package httpstate
