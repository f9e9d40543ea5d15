package conformance_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
)

// node runs Node in its folder and returns what it printed.
func node(t *testing.T, input []byte, environment string, arguments ...string) []byte {
	t.Helper()
	var output, complaints bytes.Buffer
	command := exec.CommandContext(t.Context(), "node", arguments...)
	command.Dir, command.Stdin, command.Stdout, command.Stderr = "node", bytes.NewReader(input), &output, &complaints
	command.Env = append(os.Environ(), environment)
	if err := command.Run(); err != nil {
		t.Fatalf("node: %v (Node 18.19 or later and `npm ci` in conformance/node are needed; `make conformance` sees to it)\n%s%s", err, &output, &complaints)
	}
	return output.Bytes()
}

// TestNodeSDKs runs each file of tests in the folder node against a sandbox of its own, because they move its clock.
func TestNodeSDKs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("node/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in node: %v", err)
	}
	for _, path := range files {
		file := filepath.Base(path)
		t.Run(strings.TrimSuffix(file, ".test.js"), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			t.Logf("%s", node(t, nil, "TONGBAO_SANDBOX="+b.dir, "--test-reporter=spec", file))
		})
	}
}

// TestNotificationSealedByNode is the other direction of the encryption: neither Go library seals, so a Node SDK does.
func TestNotificationSealedByNode(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	key, err := os.ReadFile(filepath.Join(vectorsDir, v.Meta.Files.PublicKeyPrivateKey))
	must(t, "read the provider's key", err)
	input, err := json.Marshal(object{"plaintext": judgedOrder, "key": v.Meta.APIv3Key, "serial": v.Meta.PublicKeyID, "privateKey": string(key)})
	must(t, "encode", err)
	var sealed struct {
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	must(t, "decode", json.Unmarshal(node(t, input, "", "seal.js"), &sealed))
	got := received{headerOf(sealed.Headers), []byte(sealed.Body)}

	n, err := newClient(t, v.config(t)).ParseNotification(got.request())
	must(t, "parse with ours", err)
	want(t, "content", string(n.Plaintext()), judgedOrder)
	handler, err := notify.NewRSANotifyHandler(v.Meta.APIv3Key, v.verifier(t))
	must(t, "make the SDK's handler", err)
	theirs, err := handler.ParseNotifyRequest(t.Context(), got.request(), new(notify.ContentMap))
	must(t, "parse with the SDK", err)
	agree(t, n, theirs)
}
