// Package admin is the control interface of the embedded daemon: JSON over
// HTTP on a Unix socket in the data directory. This file has the messages;
// server.go serves them, client.go calls them.
package admin

import (
	"encoding/json"
	"time"
)

// A Resource is one thing that the daemon holds, as GET /v1/resources lists it.
// Attrs has the attributes of the kind by their names in package schema.
type Resource struct {
	Kind     string          `json:"kind"`
	Key      string          `json:"key"`
	Owner    string          `json:"owner,omitempty"`   // address in the configuration
	Lineage  string          `json:"lineage,omitempty"` // state that the owner belongs to
	Revision string          `json:"revision"`
	Retained bool            `json:"retained,omitempty"`
	Attrs    json.RawMessage `json:"attrs"`
}

// A Change is one entry of POST /v1/apply.
type Change struct {
	Action  string `json:"action"` // "create", "update", "delete"
	Kind    string `json:"kind"`
	Key     string `json:"key"`
	Owner   string `json:"owner,omitempty"`
	Lineage string `json:"lineage,omitempty"`
	// Revision is what the caller saw; empty: nothing was there. The whole
	// batch is refused where that is no longer so.
	Revision string          `json:"revision,omitempty"`
	Attrs    json.RawMessage `json:"attrs,omitempty"`
}

// ApplyRequest is a batch: all of it is done, durably, or nothing.
type ApplyRequest struct {
	Changes []Change `json:"changes"`
}

// ApplyResponse holds a resource for each change, in the order of the request;
// for a deleted one only kind and key.
type ApplyResponse struct {
	Resources []Resource `json:"resources"`
}

// Resources is the answer of GET /v1/resources.
type Resources struct {
	Version   string     `json:"version"`
	Resources []Resource `json:"resources"`
}

// An ID names a resource.
type ID struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
}

// FindRequest asks POST /v1/resources/find for some resources alone. The answer
// is a [Resources] with those of them that are there.
type FindRequest struct {
	IDs []ID `json:"ids"`
}

// Status is the answer of GET /v1/status.
type Status struct {
	Version   string           `json:"version"`
	PID       int              `json:"pid"`
	DataDir   string           `json:"data_dir"`
	Started   string           `json:"started"` // RFC 3339
	Listeners []ListenerStatus `json:"listeners"`
	Accounts  int              `json:"accounts"`
	Messages  int64            `json:"messages"`
	Bytes     int64            `json:"bytes"`
	Queued    int              `json:"queued"`
	// QueueOldest is for how many seconds the oldest in the queue has waited.
	QueueOldest int64 `json:"queue_oldest,omitempty"`
	Zones       int   `json:"zones"`
	// Full are the users who have used nine tenths of their quota, the fullest first,
	// twenty at most.
	Full         []Usage       `json:"full,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
	// DiskFree and DiskSize are of the file system where the store lies, in bytes.
	DiskFree int64 `json:"disk_free"`
	DiskSize int64 `json:"disk_size"`
}

// Usage is how much of his quota a user uses, both in bytes.
type Usage struct {
	Address string `json:"address"`
	Bytes   int64  `json:"bytes"`
	Quota   int64  `json:"quota"`
}

// Certificate is that of a host.
type Certificate struct {
	Host     string    `json:"host"`
	NotAfter time.Time `json:"not_after"`
	// Own: the server has made it itself.
	Own bool `json:"own,omitempty"`
}

// ListenerStatus is one open socket.
type ListenerStatus struct {
	Owner   string `json:"owner"`
	Service string `json:"service"`
	Address string `json:"address"`
	TLS     bool   `json:"tls,omitempty"`
	// Error says why the socket is not open; it is tried again.
	Error       string `json:"error,omitempty"`
	Connections int    `json:"connections"`
}

// AppPasswords is the answer of GET /v1/app-passwords.
type AppPasswords struct {
	AppPasswords []AppPassword `json:"app_passwords"`
}

// An AppPassword is a further password of a user, for one program. Times are RFC
// 3339, empty for none.
type AppPassword struct {
	User     string   `json:"user"`
	Name     string   `json:"name"`
	Services []string `json:"services"`
	// Declared: it stands in the configuration.
	Declared bool   `json:"declared,omitempty"`
	Created  string `json:"created,omitempty"`
	Expires  string `json:"expires,omitempty"`
	Used     string `json:"used,omitempty"`
	// Secret is the password: only in the answer to the request that has made it.
	Secret string `json:"secret,omitempty"`
}

// AppPasswordRequest is what POST /v1/app-passwords takes. Its answer is an
// [AppPassword].
type AppPasswordRequest struct {
	Action string `json:"action"` // "add" or "remove"
	User   string `json:"user"`
	Name   string `json:"name"`
	// Services and Expires are for "add"; empty: all services, and no end.
	Services []string `json:"services,omitempty"`
	Expires  string   `json:"expires,omitempty"` // RFC 3339
}

// Slowed is the answer of GET /v1/slowed.
type Slowed struct {
	Logins []SlowedLogin `json:"logins"`
}

// A SlowedLogin is an account, which need not exist, or a network, whose logins have
// failed so often that further ones have to wait. Times are RFC 3339.
type SlowedLogin struct {
	Who       string `json:"who"`
	Failures  int    `json:"failures"`
	Locked    string `json:"locked,omitempty"` // until when nothing from it is looked at
	Forgotten string `json:"forgotten"`        // when all is forgotten, if there is no more
}

// UnlockRequest is what POST /v1/unlock takes: accounts, networks, and addresses in
// them.
type UnlockRequest struct {
	Who []string `json:"who"`
}

// Unlocked is the answer: those of them that were slowed down.
type Unlocked struct {
	Who []string `json:"who"`
}

// SignedZones is the answer of GET /v1/dnssec.
type SignedZones struct {
	Zones []SignedZone `json:"zones"`
}

// SignedZone is how far a signed zone and its keys have come. Times are RFC 3339.
type SignedZone struct {
	Zone    string      `json:"zone"` // without the last dot
	Serial  uint32      `json:"serial"`
	Keys    []SignedKey `json:"keys"`
	DS      []string    `json:"ds"`                // data of the records that the parent is to have
	Renewal string      `json:"renewal,omitempty"` // when the next signatures are made anew
}

// SignedKey is how far a key has come.
type SignedKey struct {
	Role  string `json:"role"` // "ksk", "zsk"
	Tag   uint16 `json:"tag"`
	State string `json:"state"` // "published", "ready", "active", "retired"
	Since string `json:"since"`
	Waits string `json:"waits,omitempty"` // what for
	Until string `json:"until,omitempty"` // empty where it is not time that it waits for
}

// SigningRequest is what POST /v1/dnssec asks for.
type SigningRequest struct {
	Zone   string `json:"zone"`
	Action string `json:"action"`         // "roll", "confirm"
	Role   string `json:"role,omitempty"` // of the key that rolls
}

// Queue is the answer of GET /v1/queue: the oldest entry first.
type Queue struct {
	Entries []QueueEntry `json:"entries"`
}

// QueueEntry is a message on its way to one recipient elsewhere. Times are RFC
// 3339.
type QueueEntry struct {
	ID       int64  `json:"id"`
	Envelope string `json:"envelope"` // as the log and Received fields name the message
	From     string `json:"from"`     // empty: a report
	To       string `json:"to"`
	Size     int64  `json:"size"` // bytes
	Created  string `json:"created"`
	Next     string `json:"next"` // when it is tried next
	Attempts int    `json:"attempts"`
	Error    string `json:"error,omitempty"` // of the last attempt
	Held     bool   `json:"held,omitempty"`
	// RequireTLS: it must not go where TLS is not promised (RFC 8689).
	RequireTLS bool `json:"require_tls,omitempty"`
}

// QueueRequest is what POST /v1/queue asks for.
type QueueRequest struct {
	// Action is "retry", "hold", "release", "drop" or "return": the last takes the
	// entry out and tells the sender so.
	Action string  `json:"action"`
	IDs    []int64 `json:"ids"`
}

// QueueChanged is the answer: how many of the entries were there.
type QueueChanged struct {
	Changed int `json:"changed"`
}

// A bridge speaks to whoever runs it by its input and output as the daemon speaks
// by its socket, and answers for the data directory where no daemon does. It
// begins with this line.
const BridgeGreeting = "mailform admin-bridge 1"

// CodeNotRunning is the code of a bridge's [Error] where no daemon runs.
const CodeNotRunning = "not-running"

// CodeNoUser is the code of an [Error] about a user who is not there.
const CodeNoUser = "no-user"

// Place is what GET /v1/place tells of a data directory.
type Place struct {
	Version   string `json:"version"`   // of the bridge's binary
	Workspace string `json:"workspace"` // whose it is; empty: nobody's
}

// Holds is what GET /v1/place/holds tells of another directory.
type Holds struct {
	Store bool `json:"store"` // it is another one, and has a store
}

// ClaimRequest is what POST /v1/place/claim takes.
type ClaimRequest struct {
	Workspace string `json:"workspace"`
}

// Error is the body of every answer that is not 2xx.
type Error struct {
	Code    string `json:"code"` // "conflict", "invalid", "internal", "absent", "refused"
	Message string `json:"message"`
	// Kind and Key name the change that was refused, where one was.
	Kind string `json:"kind,omitempty"`
	Key  string `json:"key,omitempty"`
}

func (e *Error) Error() string {
	if e.Key == "" {
		return e.Message
	}
	return e.Kind + " " + e.Key + ": " + e.Message
}
