package gitcmd

import (
	"bytes"
	"strings"
)

// maxProse is how much of git's stderr is looked at, from its end.
const maxProse = 64 << 10

// Classify reads from git's prose why it failed. It is the only place that does,
// for what no exit code tells: how a remote answered, and a full disk.
func Classify(stderr []byte) Kind {
	if len(stderr) > maxProse {
		stderr = stderr[len(stderr)-maxProse:]
	}
	text := strings.ToLower(string(bytes.ToValidUTF8(stderr, nil)))
	for _, c := range []struct {
		kind    Kind
		phrases []string
	}{
		{DiskFull, []string{"no space left on device", "disk quota exceeded"}},
		{PathNotFound, []string{"did not match any file"}},
		{Busy, []string{".lock': file exists", "another git process seems to be running"}},
		{Auth, []string{
			"authentication failed", "could not read username", "could not read password",
			"invalid username or password", "invalid credentials", "error: 401", "http basic: access denied",
		}},
		{Forbidden, []string{"error: 403", "permission denied to", "write access to repository not granted"}},
		{NotFound, []string{
			"repository not found", "fatal: repository '", "error: 404", "does not appear to be a git repository",
			"project you were looking for could not be found",
		}},
		{RefNotFound, []string{
			"couldn't find remote ref", "not our ref", "not found in upstream", "server does not allow request for unadvertised object",
		}},
		{Network, []string{
			"could not resolve host", "couldn't resolve host", "failed to connect", "couldn't connect to server",
			"connection timed out", "connection refused", "connection reset", "network is unreachable",
			"operation timed out", "early eof", "the remote end hung up", "unexpected disconnect",
			"rpc failed", "ssl certificate", "ssl_", "ssl connect", "gnutls", "server certificate", "unable to access", "error: 5", "error: 429",
			"transfer closed", "empty reply from server",
		}},
	} {
		for _, p := range c.phrases {
			if strings.Contains(text, p) {
				return c.kind
			}
		}
	}
	return Git
}
