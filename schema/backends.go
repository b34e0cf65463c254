package schema

import "github.com/zclconf/go-cty/cty"

// Backends returns the block types that say where the state is kept: what a
// block `backend` in `mailform` can hold, by its label.
func Backends() []*BlockType { return backends }

// BackendByName describes the backend block with a label. It returns nil for a
// name that is none.
func BackendByName(name string) *BlockType {
	for _, b := range backends {
		if b.Label == name {
			return b
		}
	}
	return nil
}

var backends = []*BlockType{
	{
		Type:  "backend",
		Label: "local",
		Doc:   "A file on this machine. It is what there is without a backend block, too.",
		Example: `mailform {
  backend "local" {
    path = "../state/${var.stage}.mfstate"
  }
}`,
		Attributes: []Attribute{
			{Name: "path", Type: cty.String, Default: cty.StringVal("mailform.mfstate"), Form: FormPath,
				Doc: "The file. A relative path starts from the directory of the configuration. Workspaces are in a directory beside it, `PATH.d`."},
		},
	},
	{
		Type:  "backend",
		Label: "http",
		Doc: "A server that speaks Terraform's protocol for states, such as GitLab's. What is left out is taken from the environment: " +
			"`MF_HTTP_ADDRESS`, or `TF_HTTP_ADDRESS` as GitLab's pipelines set it, and so on. Each phase of an apply sends the state whole. " +
			"Workspaces need addresses that are made of `${mailform.workspace}`.",
		Example: `mailform {
  backend "http" {
    address        = "https://gitlab.example/api/v4/projects/7/terraform/state/mail"
    lock_address   = "https://gitlab.example/api/v4/projects/7/terraform/state/mail/lock"
    unlock_address = "https://gitlab.example/api/v4/projects/7/terraform/state/mail/lock"
    lock_method    = "POST"
    unlock_method  = "DELETE"
    username       = "deploy"
    password       = var.gitlab_token
  }
}`,
		Attributes: []Attribute{
			{Name: "address", Type: cty.String, Doc: "URL of the state. It has to be set here or in the environment."},
			{Name: "update_method", Type: cty.String, Doc: "HTTP method that writes. Left out: `POST`."},
			{Name: "lock_address", Type: cty.String, Doc: "URL of the lock. It has to be set here or in the environment: mailform does not work without a lock."},
			{Name: "lock_method", Type: cty.String, Doc: "HTTP method that locks. Left out: `LOCK`."},
			{Name: "unlock_address", Type: cty.String, Doc: "URL that unlocks. Left out: that of the lock."},
			{Name: "unlock_method", Type: cty.String, Doc: "HTTP method that unlocks. Left out: `UNLOCK`."},
			{Name: "username", Type: cty.String, Doc: "User name for HTTP basic authentication."},
			{Name: "password", Type: cty.String, Sensitive: true, Doc: "Password for HTTP basic authentication. It is stored nowhere."},
		},
	}, {
		Type:  "backend",
		Label: "pg",
		Doc: "A PostgreSQL database, with a snapshot and a journal for each state, and a lock that is a lease: it passes when its holder gives " +
			"no sign of life, and a holder that comes back late cannot write.",
		Example: `mailform {
  backend "pg" {
    conn_str = "postgres://mailform:${urlencode(var.db_password)}@db.example/mailform"
    name     = "mail-${var.stage}"
  }
}`,
		Attributes: []Attribute{
			{Name: "conn_str", Type: cty.String, Sensitive: true,
				Doc: "Connection string, a URL or keywords. What it leaves out comes from `PG_CONN_STR` or libpq's variables in the environment (`PGHOST`, `PGPASSWORD`, …)."},
			{Name: "schema_name", Type: cty.String, Default: cty.StringVal("mailform"),
				Doc: "Schema of the database that holds the tables. It is made where it is missing."},
			{Name: "name", Type: cty.String, Default: cty.StringVal("default"),
				Doc: "Name of the state, without a slash. One schema holds any number of states, each with a lock of its own; that of a workspace is called `NAME/WORKSPACE`."},
			{Name: "lease", Type: cty.String, Default: cty.StringVal("1m"), Form: FormDuration,
				Doc: "How long the lock stays without a sign of life from its holder, who gives three in that time."},
		},
	},
	{
		Type:  "backend",
		Label: "s3",
		Doc: "A bucket of a server that speaks S3 and honours conditional writes: AWS, MinIO, Ceph, versitygw and others. The lock is a lease: it passes " +
			"when its holder gives no sign of life, and a holder that comes back late cannot write. A server that overlooks conditions is refused.",
		Example: `mailform {
  backend "s3" {
    bucket   = "states"
    key      = "mail/${var.stage}.mfstate"
    endpoint = "https://s3.example.com"
  }
}`,
		Attributes: []Attribute{
			{Name: "bucket", Type: cty.String, Required: true, Doc: "Name of the bucket. mailform does not make it."},
			{Name: "key", Type: cty.String, Required: true,
				Doc: "Name of the object that holds the lock and says what the state is made of. The parts of the state are below `KEY.parts/`."},
			{Name: "workspace_key_prefix", Type: cty.String, Default: cty.StringVal("env:"),
				Doc: "What the key of a workspace begins with: `PREFIX/WORKSPACE/KEY`. The default workspace is at the key itself."},
			{Name: "region", Type: cty.String, Doc: "Region. Left out: `AWS_REGION` or `AWS_DEFAULT_REGION` from the environment, or else `us-east-1`."},
			{Name: "endpoint", Type: cty.String,
				Doc: "URL of the server. Left out: `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` from the environment, or else AWS."},
			{Name: "path_style", Type: cty.Bool,
				Doc: "Put the bucket into the path of URLs instead of their host. Left out: true with an endpoint, false at AWS."},
			{Name: "access_key", Type: cty.String, Doc: "Access key. Left out: `AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` from the environment, " +
				"or else the profile in AWS's files, or else, at AWS, the role of the machine."},
			{Name: "secret_key", Type: cty.String, Sensitive: true, Doc: "Secret key of `access_key`. It is stored nowhere."},
			{Name: "lease", Type: cty.String, Default: cty.StringVal("1m"), Form: FormDuration,
				Doc: "How long the lock stays without a sign of life from its holder, who gives three in that time. At least a second."},
		},
	},
}
