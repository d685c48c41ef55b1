/**
 * Flags of the VictoriaMetrics single node that Tidemark does not have, so that its command lines keep working. Most tune parts that do
 * not exist here and are accepted with a warning; some belong to features that are still to come and are accepted with another warning;
 * those that protect the server are refused, because ignoring them would leave it open.
 */

export type CompatibilityKind = "meaningless" | "pending" | "protecting";

export interface CompatibleFlag {
  readonly kind: CompatibilityKind;
  /** A switch takes no value from the next argument. */
  readonly isBoolean: boolean;
}

const names: readonly { readonly kind: CompatibilityKind; readonly isBoolean: boolean; readonly names: string }[] = [
  {
    kind: "meaningless",
    isBoolean: true,
    names: `
      httpListenAddr.useProxyProtocol datadog.sanitizeMetricName disablePerDayIndex enableMetadata enableTCP6 eula filestream.disableFadvise
      fs.disableMincore fs.disableMmap graphite.sanitizeMetricName graphiteListenAddr.useProxyProtocol http.disableKeepAlive
      http.header.disableServerHostname influx.forceStreamMode influxListenAddr.useProxyProtocol
      influxSkipMeasurement influxSkipSingleField internStringDisableCache license.forceOffline logNewSeries loggerDisableTimestamps
      metrics.exposeMetadata opentelemetry.convertMetricNamesToPrometheus opentelemetry.labelNameUnderscoreSanitization
      opentelemetry.promoteAllResourceAttributes opentelemetry.promoteScopeMetadata opentelemetry.usePrometheusNaming
      opentsdbHTTPListenAddr.useProxyProtocol opentsdbListenAddr.useProxyProtocol promscrape.config.strictParse
      promscrape.disableCompression promscrape.disableKeepAlive promscrape.dropOriginalLabels
      promscrape.kubernetes.attachNamespaceMetadataAll promscrape.kubernetes.attachNodeMetadataAll promscrape.kubernetes.useHTTP2Client
      promscrape.streamParse promscrape.suppressDuplicateScrapeTargetErrors promscrape.suppressScrapeErrors pushmetrics.disableCompression
      rpc.disableCompression search.disableAutoCacheReset search.disableImplicitConversion
      search.ignoreExtraFiltersAtLabelsAPI search.logImplicitConversion search.resetRollupResultCacheOnStartup search.treatDotsAsIsInRegexps
      storage.trackMetricNamesStats streamAggr.dropInput streamAggr.enableWindows streamAggr.ignoreOldSamples streamAggr.keepInput`,
  },
  {
    kind: "meaningless",
    isBoolean: false,
    names: `
      accountID bigMergeConcurrency blockcache.missesBeforeCaching cacheExpireDuration csvTrimTimestamp datadog.maxInsertRequestSize
      finalMergeDelay fs.maxConcurrency graphiteTrimTimestamp http.connTimeout http.header.csp http.header.frameOptions http.header.hsts
      http.idleConnTimeout http.maxGracefulShutdownDuration http.shutdownDelay import.maxLineLen
      influx.databaseNames influx.maxLineSize influx.maxRequestSize influxDBLabel influxMeasurementFieldSeparator influxTrimTimestamp
      inmemoryDataFlushInterval insert.maxQueueDuration internStringCacheExpireDuration internStringMaxLen license licenseFile
      licenseFile.reloadInterval loggerErrorsPerSecondLimit loggerJSONFields loggerMaxArgLen loggerOutput loggerTimezone
      loggerWarnsPerSecondLimit newrelic.maxInsertRequestSize opentelemetry.ignoreResourceAttributes opentelemetry.maxRequestSize
      opentelemetry.promoteResourceAttributes opentsdbTrimTimestamp opentsdbhttp.maxInsertRequestSize opentsdbhttpTrimTimestamp
      prevCacheRemovalPercent projectID promscrape.azureSDCheckInterval promscrape.cluster.memberLabel promscrape.cluster.memberNum
      promscrape.cluster.memberURLTemplate promscrape.cluster.membersCount promscrape.cluster.name promscrape.cluster.replicationFactor
      promscrape.cluster.shardByLabels promscrape.consul.waitTime promscrape.consulSDCheckInterval promscrape.consulagentSDCheckInterval
      promscrape.digitaloceanSDCheckInterval promscrape.discovery.concurrency promscrape.discovery.concurrentWaitTime
      promscrape.dnsSDCheckInterval promscrape.dockerSDCheckInterval promscrape.dockerswarmSDCheckInterval promscrape.ec2SDCheckInterval
      promscrape.eurekaSDCheckInterval promscrape.fileSDCheckInterval promscrape.gceSDCheckInterval promscrape.hetznerSDCheckInterval
      promscrape.httpSDCheckInterval promscrape.kubernetes.apiServerTimeout promscrape.kubernetesSDCheckInterval
      promscrape.kumaSDCheckInterval promscrape.linodeSDCheckInterval promscrape.marathonSDCheckInterval promscrape.maxDroppedTargets
      promscrape.maxResponseHeadersSize promscrape.minResponseSizeForStreamParse promscrape.nomad.waitTime promscrape.nomadSDCheckInterval
      promscrape.openstackSDCheckInterval promscrape.ovhcloudSDCheckInterval promscrape.puppetdbSDCheckInterval
      promscrape.suppressScrapeErrorsDelay promscrape.vultrSDCheckInterval promscrape.yandexcloudSDCheckInterval pushmetrics.extraLabel
      pushmetrics.header pushmetrics.interval rpc.handshakeTimeout search.graphiteMaxPointsPerSeries
      search.graphiteStorageStep search.inmemoryBufSizeBytes search.logSlowQueryStats
      search.logSlowQueryStatsHeaders search.maxBinaryOpPushdownLabelValues search.maxDeleteDuration search.maxDeleteSeries
      search.maxFederateSeries search.maxGraphitePathExpressionLen search.maxGraphiteSeries
      search.maxGraphiteTagKeys search.maxGraphiteTagValues search.maxLabelsAPISeries
      search.maxSamplesPerSeries
      search.maxStatusRequestDuration search.maxStepForPointsAdjustment search.maxTSDBStatusSeries search.maxTSDBStatusTopNSeries
      search.maxTagValueSuffixesPerSearch search.maxWorkersPerQuery secret.flags
      smallMergeConcurrency snapshotCreateTimeout snapshotsMaxAge storage.cacheSizeIndexDBDataBlocks
      storage.cacheSizeIndexDBDataBlocksSparse storage.cacheSizeIndexDBIndexBlocks storage.cacheSizeIndexDBTagFilters
      storage.cacheSizeMetricNamesStats storage.cacheSizeStorageMetricName storage.cacheSizeStorageTSID
      storage.finalDedupScheduleCheckInterval storage.idbPrefillStart storage.maxMetadataStorageSize streamAggr.dropInputLabels
      streamAggr.ignoreFirstIntervals vmui.customDashboardsPath vmui.defaultTimezone zabbixconnector.addDuplicateTagsSeparator
      zabbixconnector.addEmptyTagsValue zabbixconnector.addGroupsValue zabbixconnector.maxLineLen`,
  },
  {
    kind: "pending",
    isBoolean: true,
    names: `
      denyQueriesOutsideRetention dryRun envflag.enable promscrape.config.dryRun promscrape.noStaleMarkers search.noStaleMarkers
      search.setLookbackToStep sortLabels usePromCompatibleNaming`,
  },
  {
    kind: "pending",
    isBoolean: false,
    names: `
      dedup.minScrapeInterval downsampling.period envflag.prefix futureRetention graphiteListenAddr http.pathPrefix influxListenAddr
      maxBackfillAge maxConcurrentInserts maxIngestionRate memory.allowedBytes opentsdbHTTPListenAddr opentsdbListenAddr precisionBits
      promscrape.configCheckInterval promscrape.maxScrapeSize promscrape.seriesLimitPerTarget pushmetrics.url relabelConfig retentionFilter
      retentionTimezoneOffset search.maxLookback storage.maxDailySeries
      storage.maxHourlySeries streamAggr.config streamAggr.dedupInterval vmalert.proxyURL vmselectAddr`,
  },
  {
    kind: "protecting",
    isBoolean: true,
    names: `mtls tls`,
  },
  {
    kind: "protecting",
    isBoolean: false,
    names: `
      configAuthKey deleteAuthKey flagsAuthKey forceFlushAuthKey forceMergeAuthKey httpAuth.password httpAuth.username logNewSeriesAuthKey
      metricNamesStatsResetAuthKey metricsAuthKey mtlsCAFile pprofAuthKey reloadAuthKey search.resetCacheAuthKey snapshotAuthKey
      tlsAutocertCacheDir tlsAutocertEmail tlsAutocertHosts tlsCertFile tlsCipherSuites tlsKeyFile tlsMinVersion`,
  },
];

export const compatibleFlags: ReadonlyMap<string, CompatibleFlag> = new Map(
  names.flatMap((group) => group.names.trim().split(/\s+/).map((name) => [name, { kind: group.kind, isBoolean: group.isBoolean }] as const)),
);
