package monitoring

// Files returns the generated files of this directory, by name.
func Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, build := range map[string]func() ([]byte, error){
		"rules/gitsandbox.rules.yaml":  func() ([]byte, error) { return Rules(nil) },
		"rules/gitsandbox.alerts.yaml": func() ([]byte, error) { return Alerts(nil) },
		"dashboards/gitsandbox.json":   Dashboard,
	} {
		data, err := build()
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, nil
}
