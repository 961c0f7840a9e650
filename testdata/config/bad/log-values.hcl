# want: format must be one of auto, text, json
# want: level must be one of debug, info, warn, error
log {
  level  = "loud"
  format = "xml"
}
