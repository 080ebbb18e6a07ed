// Golden text: read from a Linux 6.18.44, in a fresh network namespace with veth, routes, neighbours and sockets made for it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TCP_CLOSE, TCP_ESTABLISHED } from '../../assembly/uapi/in.ts'
import { RTN_BLACKHOLE, RTN_UNREACHABLE } from '../../assembly/uapi/rtnetlink.ts'
import * as mib from '../../assembly/uapi/snmp.ts'
import * as proc from '../../src/fs/proc_net.ts'
import { mibId, mibLines, mibName } from '../../src/fs/snmp_names.ts'

const text = (...lines: string[]): string => lines.map((line) => line + '\n').join('')

const snmp = text(
  'Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits',
  'Ip: 2 64 35 0 0 0 0 0 35 35 0 0 0 0 0 0 0 0 0 35',
  'Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps',
  'Icmp: 23 7 0 2 1 1 1 1 1 2 1 1 1 1 23 0 0 0 2 1 1 1 1 1 2 1 1 1 1',
  'IcmpMsg: InType0 InType1 InType2 InType3 InType4 InType5 InType6 InType7 InType8 InType9 InType10 InType11 InType12 InType13 InType14 InType15',
  'IcmpMsg: 2 1 1 2 1 1 1 1 1 1 1 1 1 1 1 1',
  'IcmpMsg: InType16 InType17 InType18 InType42 InType255 OutType0 OutType1 OutType2 OutType3 OutType4 OutType5 OutType6 OutType7 OutType8 OutType9 OutType10',
  'IcmpMsg: 1 1 1 1 1 2 1 1 2 1 1 1 1 1 1 1',
  'IcmpMsg: OutType11 OutType12 OutType13 OutType14 OutType15 OutType16 OutType17 OutType18 OutType42 OutType255',
  'IcmpMsg: 1 1 1 1 1 1 1 1 1 1',
  'Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors',
  'Tcp: 1 200 120000 -1 1 1 0 0 2 5 5 0 0 0 0',
  'Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors',
  'Udp: 0 1 2 7 2 0 0 0 0',
  'UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors',
  'UdpLite: 0 0 0 0 0 0 0 0 0',
)

const netstat = text(
  'TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab BeyondWindow TSEcrRejected PAWSOldAck PAWSTimewait DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans TCPSlowStartRetrans TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted TCPSackMerged TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPHystartTrainDetect TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess TCPDelivered TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious TCPMigrateReqSuccess TCPMigrateReqFailure TCPPLBRehash TCPAORequired TCPAOBad TCPAOKeyNotFound TCPAOGood TCPAODroppedIcmps',
  'TcpExt: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0',
  'IpExt: InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps',
  'IpExt: 0 0 0 0 0 0 3749 3749 0 0 0 0 0 35 0 0 0 0',
  'MPTcpExt: MPCapableSYNRX MPCapableSYNTX MPCapableSYNACKRX MPCapableACKRX MPCapableFallbackACK MPCapableFallbackSYNACK MPCapableSYNTXDrop MPCapableSYNTXDisabled MPCapableEndpAttempt MPFallbackTokenInit MPTCPRetrans MPJoinNoTokenFound MPJoinSynRx MPJoinSynBackupRx MPJoinSynAckRx MPJoinSynAckBackupRx MPJoinSynAckHMacFailure MPJoinAckRx MPJoinAckHMacFailure MPJoinRejected MPJoinSynTx MPJoinSynTxCreatSkErr MPJoinSynTxBindErr MPJoinSynTxConnectErr DSSNotMatching DSSCorruptionFallback DSSCorruptionReset InfiniteMapTx InfiniteMapRx DSSNoMatchTCP DataCsumErr OFOQueueTail OFOQueue OFOMerge NoDSSInWindow DuplicateData AddAddr AddAddrTx AddAddrTxDrop EchoAdd EchoAddTx EchoAddTxDrop PortAdd AddAddrDrop MPJoinPortSynRx MPJoinPortSynAckRx MPJoinPortAckRx MismatchPortSynRx MismatchPortAckRx RmAddr RmAddrDrop RmAddrTx RmAddrTxDrop RmSubflow MPPrioTx MPPrioRx MPFailTx MPFailRx MPFastcloseTx MPFastcloseRx MPRstTx MPRstRx SubflowStale SubflowRecover SndWndShared RcvWndShared RcvWndConflictUpdate RcvWndConflict MPCurrEstab Blackhole MPCapableDataFallback MD5SigFallback DssFallback SimultConnectFallback FallbackFailed WinProbe',
  'MPTcpExt: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0',
)

/** The counters that a text of /proc shows, by nstat's names; IpForwarding and IpDefaultTTL are not counters. */
function counters(golden: string): Map<number, bigint> {
  const values = new Map<number, bigint>()
  const lines = golden.trimEnd().split('\n')
  for (let i = 0; i < lines.length; i += 2) {
    const [prefix, names] = lines[i]!.split(': ') as [string, string]
    const numbers = lines[i + 1]!.split(': ')[1]!.split(' ')
    for (const [j, name] of names.split(' ').entries()) {
      const id = mibId(prefix.replace(':', '') + name)
      if (id !== undefined) values.set(id, BigInt(numbers[j]!))
    }
  }
  return values
}

const valuesOf = (golden: string): proc.MibValues => {
  const values = counters(golden)
  return (id) => values.get(id) ?? 0
}

test('snmp: every line, and IcmpMsg in rows of sixteen types', () => {
  assert.is(proc.procNetSnmp(valuesOf(snmp), { forwarding: false, defaultTtl: 64 }), snmp)
})

test('snmp: no IcmpMsg line while no message was seen; parameters are shown', () => {
  const lines = proc.procNetSnmp(() => 0, { forwarding: true, defaultTtl: 9, rtoMin: 5, rtoMax: 7000 }).split('\n')
  assert.not.ok(lines.some((line) => line.startsWith('IcmpMsg')))
  assert.is(lines[1], 'Ip: 1 9' + ' 0'.repeat(18))
  assert.is(lines[5], 'Tcp: 1 5 7000 -1' + ' 0'.repeat(11))
})

test('snmp: 64-bit counters are shown whole', () => {
  const big = 2n ** 64n - 1n
  const lines = proc.procNetSnmp((id) => (id === mib.UDP_MIB_INDATAGRAMS ? big : 0), {
    forwarding: false,
    defaultTtl: 64,
  })
  assert.match(lines, `\nUdp: ${big} 0 0`)
})

test('netstat: every line', () => {
  assert.is(proc.procNetNetstat(valuesOf(netstat)), netstat)
})

test('ids: each counter has one of its own below MIB_MAX, and names lead there and back', () => {
  const ids = mibLines.flatMap(({ rows }) => rows.map(([, id]) => id))
  assert.is(new Set(ids).size, ids.length)
  assert.ok(ids.every((id) => id < mib.MIB_MAX && !(id >= mib.ICMPMSG_MIB_BASE && id < mib.ICMPMSG_MIB_BASE + 512)))
  const known: [string, number | undefined][] = [
    ['IpInReceives', mib.IPSTATS_MIB_INPKTS],
    ['IpOutTransmits', mib.IPSTATS_MIB_OUTPKTS],
    ['IpExtInOctets', mib.IPSTATS_MIB_INOCTETS],
    ['TcpExtTCPLossProbes', mib.LINUX_MIB_TCPLOSSPROBES],
    ['TcpExtIPReversePathFilter', mib.LINUX_MIB_IPRPFILTER],
    ['UdpLiteNoPorts', mib.UDPLITE_MIB_NOPORTS],
    ['IcmpMsgInType8', mib.ICMPMSG_MIB_BASE + 8],
    ['IcmpMsgOutType255', mib.ICMPMSG_MIB_BASE + 511],
    ['IcmpMsgInType256', undefined],
    ['IpForwarding', undefined],
  ]
  for (const [name, id] of known) {
    assert.is(mibId(name), id, name)
    if (id !== undefined) assert.is(mibName(id), name)
  }
  assert.is(mibName(mib.IPSTATS_MIB_INTOOBIGERRORS), undefined)
})

test('ids: dense', () => {
  const blocks = Object.entries(mib).filter(([name]) => !/_BASE$|_SLOTS$|^MIB_MAX$/.test(name))
  const ids = new Set(blocks.map(([, id]) => id))
  assert.is(ids.size, blocks.length)
  for (let id = 0; id < mib.MIB_MAX; id++)
    assert.ok(ids.has(id) || (id >= mib.ICMPMSG_MIB_BASE && id < mib.ICMPMSG_MIB_BASE + mib.ICMPMSG_MIB_SLOTS), `${id}`)
})

test('dev: names are cut nowhere, and numbers push their column', () => {
  const both = (bytes: number, packets: number): proc.LinkStats => ({
    rx_bytes: bytes,
    rx_packets: packets,
    tx_bytes: bytes,
    tx_packets: packets,
  })
  assert.is(
    proc.procNetDev([
      { name: 'lo', stats: both(3749, 35) },
      { name: 'longdevice00001', stats: both(90, 1) },
      { name: 'v0', stats: both(90, 1) },
    ]),
    text(
      'Inter-|   Receive                                                |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
      '    lo:    3749      35    0    0    0     0          0         0     3749      35    0    0    0     0       0          0',
      'longdevice00001:      90       1    0    0    0     0          0         0       90       1    0    0    0     0       0          0',
      '    v0:      90       1    0    0    0     0          0         0       90       1    0    0    0     0       0          0',
    ),
  )
  const line = proc.procNetDev([
    {
      name: 'eth0',
      stats: {
        rx_bytes: 2n ** 64n - 1n,
        rx_packets: 12345678,
        rx_errors: 1,
        rx_dropped: 2,
        rx_missed_errors: 3,
        rx_fifo_errors: 4,
        rx_length_errors: 5,
        rx_over_errors: 6,
        rx_crc_errors: 7,
        rx_frame_errors: 8,
        rx_compressed: 9,
        multicast: 10,
        tx_bytes: 11,
        tx_packets: 12,
        tx_errors: 13,
        tx_dropped: 14,
        tx_fifo_errors: 15,
        collisions: 16,
        tx_carrier_errors: 17,
        tx_aborted_errors: 18,
        tx_window_errors: 19,
        tx_heartbeat_errors: 20,
        tx_compressed: 21,
      },
    },
  ])
  assert.is(
    line.split('\n')[2],
    '  eth0: 18446744073709551615 12345678    1    5    4    26          9        10       11      12   13   14   15    16      74         21',
  )
})

test('softnet_stat: fifteen columns, a line per CPU', () => {
  const cpu = (processed: number, id: number): number[] => [processed, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, id, 0, 0]
  assert.is(
    proc.softnetStat([cpu(0x11, 0), cpu(0x22d8, 1)]),
    text(
      '00000011 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000',
      '000022d8 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000',
    ),
  )
})

/** An address as it lies in memory. */
const be32 = (dotted: string): number => dotted.split('.').reduceRight((value, byte) => value * 256 + Number(byte), 0)

test('arp: failed, reachable, permanent, proxy', () => {
  const row = (ip: string, flags: number, lladdr: number[], dev?: string): proc.ArpRow => ({
    ip: be32(ip),
    type: 1,
    flags,
    lladdr: Uint8Array.from(lladdr),
    ...(dev && { dev }),
  })
  const unknown = [0, 0, 0, 0, 0, 0]
  assert.is(
    proc.procNetArp([
      row('10.0.0.200', 0, unknown, 'v0'),
      row('10.0.0.9', 0, unknown, 'v0'),
      row('10.0.0.3', 2, [2, 0xaa, 0, 0, 0, 3], 'v0'),
      row('10.0.0.2', 6, [2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee], 'v0'),
      row('10.0.0.4', 2, [2, 0xaa, 0, 0, 0, 4], 'v0'),
      row('10.0.0.77', 12, unknown, 'v0'),
    ]),
    text(
      'IP address       HW type     Flags       HW address            Mask     Device',
      '10.0.0.200       0x1         0x0         00:00:00:00:00:00     *        v0',
      '10.0.0.9         0x1         0x0         00:00:00:00:00:00     *        v0',
      '10.0.0.3         0x1         0x2         02:aa:00:00:00:03     *        v0',
      '10.0.0.2         0x1         0x6         02:aa:bb:cc:dd:ee     *        v0',
      '10.0.0.4         0x1         0x2         02:aa:00:00:00:04     *        v0',
      '10.0.0.77        0x1         0xc         00:00:00:00:00:00     *        v0',
    ),
  )
})

test('udp: bound, connected, one that dropped; lines of 127 columns', () => {
  assert.is(
    proc.procNetUdp([
      {
        slot: 8916,
        localAddress: 0,
        localPort: 5000,
        state: TCP_CLOSE,
        rxQueue: 0x340,
        inode: 20748,
        pointer: 0xad4eb02b,
      },
      {
        slot: 8917,
        localAddress: be32('10.9.0.1'),
        localPort: 5001,
        remoteAddress: be32('10.9.0.1'),
        remotePort: 5000,
        state: TCP_ESTABLISHED,
        inode: 20749,
        pointer: 0x39d7022dn,
      },
      {
        slot: 8918,
        localAddress: be32('127.0.0.1'),
        localPort: 5002,
        state: TCP_CLOSE,
        rxQueue: 0xf00,
        inode: 20750,
        pointer: 0xe945c258,
        drops: 2,
      },
    ]),
    text(
      '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            ',
      ' 8916: 00000000:1388 00000000:0000 07 00000000:00000340 00:00000000 00000000     0        0 20748 2 00000000ad4eb02b 0         ',
      ' 8917: 0100090A:1389 0100090A:1388 01 00000000:00000000 00:00000000 00000000     0        0 20749 2 0000000039d7022d 0         ',
      ' 8918: 0100007F:138A 00000000:0000 07 00000000:00000F00 00:00000000 00000000     0        0 20750 2 00000000e945c258 2         ',
    ),
  )
})

test('raw: the port is the protocol', () => {
  assert.is(
    proc.procNetRaw([
      {
        slot: 140,
        localAddress: be32('127.0.0.1'),
        localPort: 89,
        remoteAddress: be32('127.0.0.1'),
        state: TCP_ESTABLISHED,
        inode: 20753,
        pointer: 0x64e7fb07,
      },
      { slot: 230, localAddress: 0, localPort: 255, state: TCP_CLOSE, inode: 20752, pointer: 0x6589de0b },
      {
        slot: 240,
        localAddress: 0,
        localPort: 1,
        state: TCP_CLOSE,
        rxQueue: 0x4780,
        inode: 20751,
        pointer: 0x098c041d,
      },
    ]),
    text(
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
      ' 140: 0100007F:0059 0100007F:0000 01 00000000:00000000 00:00000000 00000000     0        0 20753 2 0000000064e7fb07 0',
      ' 230: 00000000:00FF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20752 2 000000006589de0b 0',
      ' 240: 00000000:0001 00000000:0000 07 00000000:00004780 00:00000000 00000000     0        0 20751 2 00000000098c041d 0',
    ),
  )
})

test('icmp: the port is the identifier', () => {
  assert.is(
    proc.procNetIcmp([
      {
        slot: 1,
        localAddress: be32('127.0.0.1'),
        localPort: 0x1234,
        state: TCP_CLOSE,
        inode: 22774,
        pointer: 0x43f522e5,
      },
    ]),
    text(
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops             ',
      '    1: 0100007F:1234 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 22774 2 0000000043f522e5 0         ',
    ),
  )
})

const mask16 = 0x0000ffff
test('route: gateways, metrics, rejected and host routes; lines of 127 columns', () => {
  assert.is(
    proc.procNetRoute([
      { dev: 'v0', destination: 0, mask: 0, gateway: be32('10.0.0.254') },
      { dev: 'v0', destination: be32('10.0.0.0'), mask: 0x00ffffff },
      { dev: 'v0', destination: be32('10.1.0.0'), mask: mask16, gateway: be32('10.0.0.2'), metric: 5 },
      {
        dev: 'v0',
        destination: be32('10.2.0.0'),
        mask: mask16,
        gateway: be32('10.0.0.2'),
        advmss: 1300,
        window: 5000,
        rtt: 100,
      },
      { dev: 'v0', destination: be32('10.3.0.0'), mask: mask16, gateway: be32('10.0.0.3'), advmss: 1300, window: 5000 },
      { destination: be32('10.4.0.0'), mask: mask16, type: RTN_BLACKHOLE },
      { destination: be32('10.5.0.0'), mask: mask16, type: RTN_UNREACHABLE },
      { dev: 'v0', destination: be32('10.6.0.9'), mask: 0xffffffff },
    ]),
    text(
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       ',
      'v0\t00000000\tFE00000A\t0003\t0\t0\t0\t00000000\t0\t0\t0                                                                                 ',
      'v0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0                                                                                 ',
      'v0\t0000010A\t0200000A\t0003\t0\t0\t5\t0000FFFF\t0\t0\t0                                                                                 ',
      'v0\t0000020A\t0200000A\t0003\t0\t0\t0\t0000FFFF\t1340\t5000\t12                                                                          ',
      'v0\t0000030A\t0300000A\t0003\t0\t0\t0\t0000FFFF\t1340\t5000\t0                                                                           ',
      '*\t0000040A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0                                                                                  ',
      '*\t0000050A\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0                                                                                  ',
      'v0\t0900060A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0                                                                                 ',
    ),
  )
})

test('sockstat', () => {
  assert.is(
    proc.procNetSockstat({
      used: 14,
      tcp: { inuse: 3, orphan: 0, tw: 0, alloc: 4, mem: 288 },
      udp: { inuse: 3, mem: 0 },
      udplite: { inuse: 0 },
      raw: { inuse: 3 },
      frag: { inuse: 0, memory: 0 },
    }),
    text(
      'sockets: used 14',
      'TCP: inuse 3 orphan 0 tw 0 alloc 4 mem 288',
      'UDP: inuse 3 mem 0',
      'UDPLITE: inuse 0',
      'RAW: inuse 3',
      'FRAG: inuse 0 memory 0',
    ),
  )
})

test.run()
