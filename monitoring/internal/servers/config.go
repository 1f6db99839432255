package servers

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The files that a configuration of [Config] names.
const (
	RulesFile   = "rules.yaml"
	AlertsFile  = "alerts.yaml"
	TargetsFile = "targets.json"
)

// Config returns a configuration of Prometheus that scrapes the targets of
// TargetsFile as the given job, evaluates RulesFile and AlertsFile as often,
// and tells the Alertmanager at the given address.
func Config(job string, interval time.Duration, alertmanager string) []byte {
	return fmt.Appendf(nil, `global:
  scrape_interval: %[2]s
  scrape_timeout: %[2]s
  evaluation_interval: %[2]s
rule_files: [%[4]s, %[5]s]
alerting:
  alertmanagers:
    - static_configs:
        - targets: [%[3]q]
scrape_configs:
  - job_name: %[1]s
    file_sd_configs:
      - files: [%[6]s]
        refresh_interval: 1s
`, job, interval, alertmanager, RulesFile, AlertsFile, TargetsFile)
}

// Targets returns the content of a TargetsFile.
func Targets(addrs ...string) []byte {
	if len(addrs) == 0 {
		return []byte("[]\n")
	}
	quoted := make([]string, len(addrs))
	for i, a := range addrs {
		quoted[i] = strconv.Quote(a)
	}
	return fmt.Appendf(nil, "[{\"targets\": [%s]}]\n", strings.Join(quoted, ", "))
}
