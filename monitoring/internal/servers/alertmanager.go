package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
)

// Alertmanager is one that runs.
type Alertmanager struct {
	addr string
	p    *process
}

// StartAlertmanager starts an Alertmanager on addr that keeps its files in dir,
// which the caller removes. The context ends it, and so does Close.
func StartAlertmanager(ctx context.Context, t *Tools, dir, addr string, config []byte) (*Alertmanager, error) {
	file := filepath.Join(dir, "alertmanager.yaml")
	if err := writeFiles(map[string][]byte{file: config}); err != nil {
		return nil, err
	}
	cmd := t.Command(ctx, "alertmanager", "--config.file="+file, "--storage.path="+filepath.Join(dir, "alertmanager"),
		"--web.listen-address="+addr, "--cluster.listen-address=")
	p, err := start(ctx, cmd, "http://"+addr+"/-/ready")
	if err != nil {
		return nil, err
	}
	return &Alertmanager{addr: addr, p: p}, nil
}

// URL returns the address.
func (a *Alertmanager) URL() string { return "http://" + a.addr }

// Close ends the Alertmanager.
func (a *Alertmanager) Close() error { return a.p.stop() }

// Alert is an alert that an Alertmanager holds.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Name returns the label alertname.
func (a *Alert) Name() string { return a.Labels["alertname"] }

// Alerts returns the alerts that are firing.
func (a *Alertmanager) Alerts(ctx context.Context) ([]Alert, error) {
	var alerts []Alert
	return alerts, get(ctx, a.URL()+"/api/v2/alerts?active=true", &alerts)
}

func get(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := client().Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		return fmt.Errorf("%s: status %d: %w", url, res.StatusCode, err)
	}
	return nil
}
