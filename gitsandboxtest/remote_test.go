package gitsandboxtest_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func ExampleNewRemote() {
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remote.Close()
	if err := remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"}); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := remote.Commit("shop", "main", "Say hello", map[string]string{"hello.txt": "hello\n"}); err != nil {
		fmt.Println(err)
		return
	}
	log, err := remote.Log("shop", "main")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range log {
		fmt.Println(c.ID[:7], c.Message)
	}
	// Output:
	// 3423359 Say hello
	// bbde787 Initial commit
}

func TestRemoteThroughItsPublicFace(t *testing.T) {
	t.Parallel()
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, remote.Close()) })
	require.NoError(t, remote.CreateRepo("shop", map[string]string{"a": "1", "b": "2"}))
	assert.Equal(t, "http://"+remote.Host()+"/shop.git", remote.URL("shop"))
	assert.DirExists(t, remote.Dir("shop"))

	lsRemote := func() error {
		cmd := exec.CommandContext(t.Context(), "git", "-c", "credential.helper=", "ls-remote",
			"http://x-access-token:"+remote.Password()+"@"+remote.Host()+"/shop.git")
		cmd.Env = append(cmd.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ASKPASS=/bin/false")
		return cmd.Run()
	}
	require.NoError(t, lsRemote())
	assert.Len(t, remote.Requests(), 3, "one without the password, two with it")
	remote.ResetRequests()
	assert.Empty(t, remote.Requests())
	remote.ExpirePassword()
	require.Error(t, lsRemote())
	remote.SetPassword("another-one")
	require.NoError(t, lsRemote())
	assert.Equal(t, "another-one", remote.Password())

	remove := remote.Inject(gitsandboxtest.RemoteFault{Operation: "discovery", Status: http.StatusServiceUnavailable, Delay: time.Millisecond})
	require.Error(t, lsRemote())
	remove()
	require.NoError(t, lsRemote())

	_, err = remote.Remove("shop", "topic", "Drop b", "b")
	require.NoError(t, err)
	_, err = remote.ReadFile("shop", "topic", "b")
	require.ErrorIs(t, err, fs.ErrNotExist)
	branches, err := remote.Branches("shop")
	require.NoError(t, err)
	assert.Len(t, branches, 2)
	require.NoError(t, remote.DeleteBranch("shop", "topic"))
	_, err = remote.Ref("shop", "topic")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, remote.ProtectBranch("shop", "main"))
	require.NoError(t, remote.RefusePushes("shop", "no"))
}
