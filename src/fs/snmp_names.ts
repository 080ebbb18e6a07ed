// The rows of /proc/net/snmp and /proc/net/netstat: names in the order that Linux 6.18 prints (net/ipv4/proc.c), with the
// ids of assembly/uapi/snmp.ts. nstat's name of a counter is the line's prefix and the name: IpInReceives, IpExtInOctets.
// Not a counter, hence not here: Forwarding and DefaultTTL of Ip.
import * as mib from '../../assembly/uapi/snmp.ts'

/** A counter: its name in /proc, and its id below MIB_MAX. */
export type MibRow = readonly [name: string, id: number]

/** `Ip:`, after Forwarding and DefaultTTL. */
export const ipRows: readonly MibRow[] = [
  ['InReceives', mib.IPSTATS_MIB_INPKTS],
  ['InHdrErrors', mib.IPSTATS_MIB_INHDRERRORS],
  ['InAddrErrors', mib.IPSTATS_MIB_INADDRERRORS],
  ['ForwDatagrams', mib.IPSTATS_MIB_OUTFORWDATAGRAMS],
  ['InUnknownProtos', mib.IPSTATS_MIB_INUNKNOWNPROTOS],
  ['InDiscards', mib.IPSTATS_MIB_INDISCARDS],
  ['InDelivers', mib.IPSTATS_MIB_INDELIVERS],
  ['OutRequests', mib.IPSTATS_MIB_OUTREQUESTS],
  ['OutDiscards', mib.IPSTATS_MIB_OUTDISCARDS],
  ['OutNoRoutes', mib.IPSTATS_MIB_OUTNOROUTES],
  ['ReasmTimeout', mib.IPSTATS_MIB_REASMTIMEOUT],
  ['ReasmReqds', mib.IPSTATS_MIB_REASMREQDS],
  ['ReasmOKs', mib.IPSTATS_MIB_REASMOKS],
  ['ReasmFails', mib.IPSTATS_MIB_REASMFAILS],
  ['FragOKs', mib.IPSTATS_MIB_FRAGOKS],
  ['FragFails', mib.IPSTATS_MIB_FRAGFAILS],
  ['FragCreates', mib.IPSTATS_MIB_FRAGCREATES],
  ['OutTransmits', mib.IPSTATS_MIB_OUTPKTS],
]

/** `Icmp:` */
export const icmpRows: readonly MibRow[] = [
  ['InMsgs', mib.ICMP_MIB_INMSGS],
  ['InErrors', mib.ICMP_MIB_INERRORS],
  ['InCsumErrors', mib.ICMP_MIB_CSUMERRORS],
  ['InDestUnreachs', mib.ICMP_MIB_INDESTUNREACHS],
  ['InTimeExcds', mib.ICMP_MIB_INTIMEEXCDS],
  ['InParmProbs', mib.ICMP_MIB_INPARMPROBS],
  ['InSrcQuenchs', mib.ICMP_MIB_INSRCQUENCHS],
  ['InRedirects', mib.ICMP_MIB_INREDIRECTS],
  ['InEchos', mib.ICMP_MIB_INECHOS],
  ['InEchoReps', mib.ICMP_MIB_INECHOREPS],
  ['InTimestamps', mib.ICMP_MIB_INTIMESTAMPS],
  ['InTimestampReps', mib.ICMP_MIB_INTIMESTAMPREPS],
  ['InAddrMasks', mib.ICMP_MIB_INADDRMASKS],
  ['InAddrMaskReps', mib.ICMP_MIB_INADDRMASKREPS],
  ['OutMsgs', mib.ICMP_MIB_OUTMSGS],
  ['OutErrors', mib.ICMP_MIB_OUTERRORS],
  ['OutRateLimitGlobal', mib.ICMP_MIB_RATELIMITGLOBAL],
  ['OutRateLimitHost', mib.ICMP_MIB_RATELIMITHOST],
  ['OutDestUnreachs', mib.ICMP_MIB_OUTDESTUNREACHS],
  ['OutTimeExcds', mib.ICMP_MIB_OUTTIMEEXCDS],
  ['OutParmProbs', mib.ICMP_MIB_OUTPARMPROBS],
  ['OutSrcQuenchs', mib.ICMP_MIB_OUTSRCQUENCHS],
  ['OutRedirects', mib.ICMP_MIB_OUTREDIRECTS],
  ['OutEchos', mib.ICMP_MIB_OUTECHOS],
  ['OutEchoReps', mib.ICMP_MIB_OUTECHOREPS],
  ['OutTimestamps', mib.ICMP_MIB_OUTTIMESTAMPS],
  ['OutTimestampReps', mib.ICMP_MIB_OUTTIMESTAMPREPS],
  ['OutAddrMasks', mib.ICMP_MIB_OUTADDRMASKS],
  ['OutAddrMaskReps', mib.ICMP_MIB_OUTADDRMASKREPS],
]

/** `Tcp:`. The first four are constants of the protocol, not counters. */
export const tcpRows: readonly MibRow[] = [
  ['RtoAlgorithm', mib.TCP_MIB_RTOALGORITHM],
  ['RtoMin', mib.TCP_MIB_RTOMIN],
  ['RtoMax', mib.TCP_MIB_RTOMAX],
  ['MaxConn', mib.TCP_MIB_MAXCONN],
  ['ActiveOpens', mib.TCP_MIB_ACTIVEOPENS],
  ['PassiveOpens', mib.TCP_MIB_PASSIVEOPENS],
  ['AttemptFails', mib.TCP_MIB_ATTEMPTFAILS],
  ['EstabResets', mib.TCP_MIB_ESTABRESETS],
  ['CurrEstab', mib.TCP_MIB_CURRESTAB],
  ['InSegs', mib.TCP_MIB_INSEGS],
  ['OutSegs', mib.TCP_MIB_OUTSEGS],
  ['RetransSegs', mib.TCP_MIB_RETRANSSEGS],
  ['InErrs', mib.TCP_MIB_INERRS],
  ['OutRsts', mib.TCP_MIB_OUTRSTS],
  ['InCsumErrors', mib.TCP_MIB_CSUMERRORS],
]

/** `Udp:` */
export const udpRows: readonly MibRow[] = [
  ['InDatagrams', mib.UDP_MIB_INDATAGRAMS],
  ['NoPorts', mib.UDP_MIB_NOPORTS],
  ['InErrors', mib.UDP_MIB_INERRORS],
  ['OutDatagrams', mib.UDP_MIB_OUTDATAGRAMS],
  ['RcvbufErrors', mib.UDP_MIB_RCVBUFERRORS],
  ['SndbufErrors', mib.UDP_MIB_SNDBUFERRORS],
  ['InCsumErrors', mib.UDP_MIB_CSUMERRORS],
  ['IgnoredMulti', mib.UDP_MIB_IGNOREDMULTI],
  ['MemErrors', mib.UDP_MIB_MEMERRORS],
]

/** `UdpLite:` */
export const udpLiteRows: readonly MibRow[] = [
  ['InDatagrams', mib.UDPLITE_MIB_INDATAGRAMS],
  ['NoPorts', mib.UDPLITE_MIB_NOPORTS],
  ['InErrors', mib.UDPLITE_MIB_INERRORS],
  ['OutDatagrams', mib.UDPLITE_MIB_OUTDATAGRAMS],
  ['RcvbufErrors', mib.UDPLITE_MIB_RCVBUFERRORS],
  ['SndbufErrors', mib.UDPLITE_MIB_SNDBUFERRORS],
  ['InCsumErrors', mib.UDPLITE_MIB_CSUMERRORS],
  ['IgnoredMulti', mib.UDPLITE_MIB_IGNOREDMULTI],
  ['MemErrors', mib.UDPLITE_MIB_MEMERRORS],
]

/** `TcpExt:` */
export const tcpExtRows: readonly MibRow[] = [
  ['SyncookiesSent', mib.LINUX_MIB_SYNCOOKIESSENT],
  ['SyncookiesRecv', mib.LINUX_MIB_SYNCOOKIESRECV],
  ['SyncookiesFailed', mib.LINUX_MIB_SYNCOOKIESFAILED],
  ['EmbryonicRsts', mib.LINUX_MIB_EMBRYONICRSTS],
  ['PruneCalled', mib.LINUX_MIB_PRUNECALLED],
  ['RcvPruned', mib.LINUX_MIB_RCVPRUNED],
  ['OfoPruned', mib.LINUX_MIB_OFOPRUNED],
  ['OutOfWindowIcmps', mib.LINUX_MIB_OUTOFWINDOWICMPS],
  ['LockDroppedIcmps', mib.LINUX_MIB_LOCKDROPPEDICMPS],
  ['ArpFilter', mib.LINUX_MIB_ARPFILTER],
  ['TW', mib.LINUX_MIB_TIMEWAITED],
  ['TWRecycled', mib.LINUX_MIB_TIMEWAITRECYCLED],
  ['TWKilled', mib.LINUX_MIB_TIMEWAITKILLED],
  ['PAWSActive', mib.LINUX_MIB_PAWSACTIVEREJECTED],
  ['PAWSEstab', mib.LINUX_MIB_PAWSESTABREJECTED],
  ['BeyondWindow', mib.LINUX_MIB_BEYOND_WINDOW],
  ['TSEcrRejected', mib.LINUX_MIB_TSECRREJECTED],
  ['PAWSOldAck', mib.LINUX_MIB_PAWS_OLD_ACK],
  ['PAWSTimewait', mib.LINUX_MIB_PAWS_TW_REJECTED],
  ['DelayedACKs', mib.LINUX_MIB_DELAYEDACKS],
  ['DelayedACKLocked', mib.LINUX_MIB_DELAYEDACKLOCKED],
  ['DelayedACKLost', mib.LINUX_MIB_DELAYEDACKLOST],
  ['ListenOverflows', mib.LINUX_MIB_LISTENOVERFLOWS],
  ['ListenDrops', mib.LINUX_MIB_LISTENDROPS],
  ['TCPHPHits', mib.LINUX_MIB_TCPHPHITS],
  ['TCPPureAcks', mib.LINUX_MIB_TCPPUREACKS],
  ['TCPHPAcks', mib.LINUX_MIB_TCPHPACKS],
  ['TCPRenoRecovery', mib.LINUX_MIB_TCPRENORECOVERY],
  ['TCPSackRecovery', mib.LINUX_MIB_TCPSACKRECOVERY],
  ['TCPSACKReneging', mib.LINUX_MIB_TCPSACKRENEGING],
  ['TCPSACKReorder', mib.LINUX_MIB_TCPSACKREORDER],
  ['TCPRenoReorder', mib.LINUX_MIB_TCPRENOREORDER],
  ['TCPTSReorder', mib.LINUX_MIB_TCPTSREORDER],
  ['TCPFullUndo', mib.LINUX_MIB_TCPFULLUNDO],
  ['TCPPartialUndo', mib.LINUX_MIB_TCPPARTIALUNDO],
  ['TCPDSACKUndo', mib.LINUX_MIB_TCPDSACKUNDO],
  ['TCPLossUndo', mib.LINUX_MIB_TCPLOSSUNDO],
  ['TCPLostRetransmit', mib.LINUX_MIB_TCPLOSTRETRANSMIT],
  ['TCPRenoFailures', mib.LINUX_MIB_TCPRENOFAILURES],
  ['TCPSackFailures', mib.LINUX_MIB_TCPSACKFAILURES],
  ['TCPLossFailures', mib.LINUX_MIB_TCPLOSSFAILURES],
  ['TCPFastRetrans', mib.LINUX_MIB_TCPFASTRETRANS],
  ['TCPSlowStartRetrans', mib.LINUX_MIB_TCPSLOWSTARTRETRANS],
  ['TCPTimeouts', mib.LINUX_MIB_TCPTIMEOUTS],
  ['TCPLossProbes', mib.LINUX_MIB_TCPLOSSPROBES],
  ['TCPLossProbeRecovery', mib.LINUX_MIB_TCPLOSSPROBERECOVERY],
  ['TCPRenoRecoveryFail', mib.LINUX_MIB_TCPRENORECOVERYFAIL],
  ['TCPSackRecoveryFail', mib.LINUX_MIB_TCPSACKRECOVERYFAIL],
  ['TCPRcvCollapsed', mib.LINUX_MIB_TCPRCVCOLLAPSED],
  ['TCPBacklogCoalesce', mib.LINUX_MIB_TCPBACKLOGCOALESCE],
  ['TCPDSACKOldSent', mib.LINUX_MIB_TCPDSACKOLDSENT],
  ['TCPDSACKOfoSent', mib.LINUX_MIB_TCPDSACKOFOSENT],
  ['TCPDSACKRecv', mib.LINUX_MIB_TCPDSACKRECV],
  ['TCPDSACKOfoRecv', mib.LINUX_MIB_TCPDSACKOFORECV],
  ['TCPAbortOnData', mib.LINUX_MIB_TCPABORTONDATA],
  ['TCPAbortOnClose', mib.LINUX_MIB_TCPABORTONCLOSE],
  ['TCPAbortOnMemory', mib.LINUX_MIB_TCPABORTONMEMORY],
  ['TCPAbortOnTimeout', mib.LINUX_MIB_TCPABORTONTIMEOUT],
  ['TCPAbortOnLinger', mib.LINUX_MIB_TCPABORTONLINGER],
  ['TCPAbortFailed', mib.LINUX_MIB_TCPABORTFAILED],
  ['TCPMemoryPressures', mib.LINUX_MIB_TCPMEMORYPRESSURES],
  ['TCPMemoryPressuresChrono', mib.LINUX_MIB_TCPMEMORYPRESSURESCHRONO],
  ['TCPSACKDiscard', mib.LINUX_MIB_TCPSACKDISCARD],
  ['TCPDSACKIgnoredOld', mib.LINUX_MIB_TCPDSACKIGNOREDOLD],
  ['TCPDSACKIgnoredNoUndo', mib.LINUX_MIB_TCPDSACKIGNOREDNOUNDO],
  ['TCPSpuriousRTOs', mib.LINUX_MIB_TCPSPURIOUSRTOS],
  ['TCPMD5NotFound', mib.LINUX_MIB_TCPMD5NOTFOUND],
  ['TCPMD5Unexpected', mib.LINUX_MIB_TCPMD5UNEXPECTED],
  ['TCPMD5Failure', mib.LINUX_MIB_TCPMD5FAILURE],
  ['TCPSackShifted', mib.LINUX_MIB_SACKSHIFTED],
  ['TCPSackMerged', mib.LINUX_MIB_SACKMERGED],
  ['TCPSackShiftFallback', mib.LINUX_MIB_SACKSHIFTFALLBACK],
  ['TCPBacklogDrop', mib.LINUX_MIB_TCPBACKLOGDROP],
  ['PFMemallocDrop', mib.LINUX_MIB_PFMEMALLOCDROP],
  ['TCPMinTTLDrop', mib.LINUX_MIB_TCPMINTTLDROP],
  ['TCPDeferAcceptDrop', mib.LINUX_MIB_TCPDEFERACCEPTDROP],
  ['IPReversePathFilter', mib.LINUX_MIB_IPRPFILTER],
  ['TCPTimeWaitOverflow', mib.LINUX_MIB_TCPTIMEWAITOVERFLOW],
  ['TCPReqQFullDoCookies', mib.LINUX_MIB_TCPREQQFULLDOCOOKIES],
  ['TCPReqQFullDrop', mib.LINUX_MIB_TCPREQQFULLDROP],
  ['TCPRetransFail', mib.LINUX_MIB_TCPRETRANSFAIL],
  ['TCPRcvCoalesce', mib.LINUX_MIB_TCPRCVCOALESCE],
  ['TCPOFOQueue', mib.LINUX_MIB_TCPOFOQUEUE],
  ['TCPOFODrop', mib.LINUX_MIB_TCPOFODROP],
  ['TCPOFOMerge', mib.LINUX_MIB_TCPOFOMERGE],
  ['TCPChallengeACK', mib.LINUX_MIB_TCPCHALLENGEACK],
  ['TCPSYNChallenge', mib.LINUX_MIB_TCPSYNCHALLENGE],
  ['TCPFastOpenActive', mib.LINUX_MIB_TCPFASTOPENACTIVE],
  ['TCPFastOpenActiveFail', mib.LINUX_MIB_TCPFASTOPENACTIVEFAIL],
  ['TCPFastOpenPassive', mib.LINUX_MIB_TCPFASTOPENPASSIVE],
  ['TCPFastOpenPassiveFail', mib.LINUX_MIB_TCPFASTOPENPASSIVEFAIL],
  ['TCPFastOpenListenOverflow', mib.LINUX_MIB_TCPFASTOPENLISTENOVERFLOW],
  ['TCPFastOpenCookieReqd', mib.LINUX_MIB_TCPFASTOPENCOOKIEREQD],
  ['TCPFastOpenBlackhole', mib.LINUX_MIB_TCPFASTOPENBLACKHOLE],
  ['TCPSpuriousRtxHostQueues', mib.LINUX_MIB_TCPSPURIOUS_RTX_HOSTQUEUES],
  ['BusyPollRxPackets', mib.LINUX_MIB_BUSYPOLLRXPACKETS],
  ['TCPAutoCorking', mib.LINUX_MIB_TCPAUTOCORKING],
  ['TCPFromZeroWindowAdv', mib.LINUX_MIB_TCPFROMZEROWINDOWADV],
  ['TCPToZeroWindowAdv', mib.LINUX_MIB_TCPTOZEROWINDOWADV],
  ['TCPWantZeroWindowAdv', mib.LINUX_MIB_TCPWANTZEROWINDOWADV],
  ['TCPSynRetrans', mib.LINUX_MIB_TCPSYNRETRANS],
  ['TCPOrigDataSent', mib.LINUX_MIB_TCPORIGDATASENT],
  ['TCPHystartTrainDetect', mib.LINUX_MIB_TCPHYSTARTTRAINDETECT],
  ['TCPHystartTrainCwnd', mib.LINUX_MIB_TCPHYSTARTTRAINCWND],
  ['TCPHystartDelayDetect', mib.LINUX_MIB_TCPHYSTARTDELAYDETECT],
  ['TCPHystartDelayCwnd', mib.LINUX_MIB_TCPHYSTARTDELAYCWND],
  ['TCPACKSkippedSynRecv', mib.LINUX_MIB_TCPACKSKIPPEDSYNRECV],
  ['TCPACKSkippedPAWS', mib.LINUX_MIB_TCPACKSKIPPEDPAWS],
  ['TCPACKSkippedSeq', mib.LINUX_MIB_TCPACKSKIPPEDSEQ],
  ['TCPACKSkippedFinWait2', mib.LINUX_MIB_TCPACKSKIPPEDFINWAIT2],
  ['TCPACKSkippedTimeWait', mib.LINUX_MIB_TCPACKSKIPPEDTIMEWAIT],
  ['TCPACKSkippedChallenge', mib.LINUX_MIB_TCPACKSKIPPEDCHALLENGE],
  ['TCPWinProbe', mib.LINUX_MIB_TCPWINPROBE],
  ['TCPKeepAlive', mib.LINUX_MIB_TCPKEEPALIVE],
  ['TCPMTUPFail', mib.LINUX_MIB_TCPMTUPFAIL],
  ['TCPMTUPSuccess', mib.LINUX_MIB_TCPMTUPSUCCESS],
  ['TCPDelivered', mib.LINUX_MIB_TCPDELIVERED],
  ['TCPDeliveredCE', mib.LINUX_MIB_TCPDELIVEREDCE],
  ['TCPAckCompressed', mib.LINUX_MIB_TCPACKCOMPRESSED],
  ['TCPZeroWindowDrop', mib.LINUX_MIB_TCPZEROWINDOWDROP],
  ['TCPRcvQDrop', mib.LINUX_MIB_TCPRCVQDROP],
  ['TCPWqueueTooBig', mib.LINUX_MIB_TCPWQUEUETOOBIG],
  ['TCPFastOpenPassiveAltKey', mib.LINUX_MIB_TCPFASTOPENPASSIVEALTKEY],
  ['TcpTimeoutRehash', mib.LINUX_MIB_TCPTIMEOUTREHASH],
  ['TcpDuplicateDataRehash', mib.LINUX_MIB_TCPDUPLICATEDATAREHASH],
  ['TCPDSACKRecvSegs', mib.LINUX_MIB_TCPDSACKRECVSEGS],
  ['TCPDSACKIgnoredDubious', mib.LINUX_MIB_TCPDSACKIGNOREDDUBIOUS],
  ['TCPMigrateReqSuccess', mib.LINUX_MIB_TCPMIGRATEREQSUCCESS],
  ['TCPMigrateReqFailure', mib.LINUX_MIB_TCPMIGRATEREQFAILURE],
  ['TCPPLBRehash', mib.LINUX_MIB_TCPPLBREHASH],
  ['TCPAORequired', mib.LINUX_MIB_TCPAOREQUIRED],
  ['TCPAOBad', mib.LINUX_MIB_TCPAOBAD],
  ['TCPAOKeyNotFound', mib.LINUX_MIB_TCPAOKEYNOTFOUND],
  ['TCPAOGood', mib.LINUX_MIB_TCPAOGOOD],
  ['TCPAODroppedIcmps', mib.LINUX_MIB_TCPAODROPPEDICMPS],
]

/** `IpExt:` */
export const ipExtRows: readonly MibRow[] = [
  ['InNoRoutes', mib.IPSTATS_MIB_INNOROUTES],
  ['InTruncatedPkts', mib.IPSTATS_MIB_INTRUNCATEDPKTS],
  ['InMcastPkts', mib.IPSTATS_MIB_INMCASTPKTS],
  ['OutMcastPkts', mib.IPSTATS_MIB_OUTMCASTPKTS],
  ['InBcastPkts', mib.IPSTATS_MIB_INBCASTPKTS],
  ['OutBcastPkts', mib.IPSTATS_MIB_OUTBCASTPKTS],
  ['InOctets', mib.IPSTATS_MIB_INOCTETS],
  ['OutOctets', mib.IPSTATS_MIB_OUTOCTETS],
  ['InMcastOctets', mib.IPSTATS_MIB_INMCASTOCTETS],
  ['OutMcastOctets', mib.IPSTATS_MIB_OUTMCASTOCTETS],
  ['InBcastOctets', mib.IPSTATS_MIB_INBCASTOCTETS],
  ['OutBcastOctets', mib.IPSTATS_MIB_OUTBCASTOCTETS],
  ['InCsumErrors', mib.IPSTATS_MIB_CSUMERRORS],
  ['InNoECTPkts', mib.IPSTATS_MIB_NOECTPKTS],
  ['InECT1Pkts', mib.IPSTATS_MIB_ECT1PKTS],
  ['InECT0Pkts', mib.IPSTATS_MIB_ECT0PKTS],
  ['InCEPkts', mib.IPSTATS_MIB_CEPKTS],
  ['ReasmOverlaps', mib.IPSTATS_MIB_REASM_OVERLAPS],
]

/** `MPTcpExt:`. MPTCP is not emulated: 6.18 prints the line, and all of it is 0. */
export const mptcpExtNames: readonly string[] = `
MPCapableSYNRX MPCapableSYNTX MPCapableSYNACKRX MPCapableACKRX MPCapableFallbackACK MPCapableFallbackSYNACK
MPCapableSYNTXDrop MPCapableSYNTXDisabled MPCapableEndpAttempt MPFallbackTokenInit MPTCPRetrans
MPJoinNoTokenFound MPJoinSynRx MPJoinSynBackupRx MPJoinSynAckRx MPJoinSynAckBackupRx MPJoinSynAckHMacFailure
MPJoinAckRx MPJoinAckHMacFailure MPJoinRejected MPJoinSynTx MPJoinSynTxCreatSkErr MPJoinSynTxBindErr
MPJoinSynTxConnectErr DSSNotMatching DSSCorruptionFallback DSSCorruptionReset InfiniteMapTx InfiniteMapRx
DSSNoMatchTCP DataCsumErr OFOQueueTail OFOQueue OFOMerge NoDSSInWindow DuplicateData AddAddr AddAddrTx
AddAddrTxDrop EchoAdd EchoAddTx EchoAddTxDrop PortAdd AddAddrDrop MPJoinPortSynRx MPJoinPortSynAckRx
MPJoinPortAckRx MismatchPortSynRx MismatchPortAckRx RmAddr RmAddrDrop RmAddrTx RmAddrTxDrop RmSubflow MPPrioTx
MPPrioRx MPFailTx MPFailRx MPFastcloseTx MPFastcloseRx MPRstTx MPRstRx SubflowStale SubflowRecover SndWndShared
RcvWndShared RcvWndConflictUpdate RcvWndConflict MPCurrEstab Blackhole MPCapableDataFallback MD5SigFallback
DssFallback SimultConnectFallback FallbackFailed WinProbe`
  .trim()
  .split(/\s+/)

/** The lines that hold counters, by prefix, in the order of the two files. */
export const mibLines: readonly { readonly prefix: string; readonly rows: readonly MibRow[] }[] = [
  { prefix: 'Ip', rows: ipRows },
  { prefix: 'Icmp', rows: icmpRows },
  { prefix: 'Tcp', rows: tcpRows },
  { prefix: 'Udp', rows: udpRows },
  { prefix: 'UdpLite', rows: udpLiteRows },
  { prefix: 'TcpExt', rows: tcpExtRows },
  { prefix: 'IpExt', rows: ipExtRows },
]

const idOfName = new Map(mibLines.flatMap(({ prefix, rows }) => rows.map(([name, id]) => [prefix + name, id] as const)))
const nameOfId = new Map([...idOfName].map(([name, id]) => [id, name] as const))

/** The name of a slot of IcmpMsg, 0 to 511, as it stands in its line: `InType8`, `OutType0`. */
export function icmpMsgName(slot: number): string {
  return `${slot < 256 ? 'In' : 'Out'}Type${slot & 255}`
}

/** The id of a counter by nstat's name (`IpInReceives`, `IcmpMsgInType8`), undefined when 6.18 has no such counter. */
export function mibId(name: string): number | undefined {
  const icmpMsg = /^IcmpMsg(In|Out)Type(0|[1-9]\d{0,2})$/.exec(name)
  if (!icmpMsg) return idOfName.get(name)
  const type = Number(icmpMsg[2])
  return type > 255 ? undefined : mib.ICMPMSG_MIB_BASE + (icmpMsg[1] === 'In' ? type : 256 + type)
}

/** nstat's name of a counter; undefined for an id that no file of /proc shows (IPSTATS_MIB_INTOOBIGERRORS). */
export function mibName(id: number): string | undefined {
  const slot = id - mib.ICMPMSG_MIB_BASE
  return slot >= 0 && slot < mib.ICMPMSG_MIB_SLOTS ? `IcmpMsg${icmpMsgName(slot)}` : nameOfId.get(id)
}
